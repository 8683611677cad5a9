"""[evidence]: whether quarters are sealed, and the file of the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from wattgram.base.errors import ConfigError
from wattgram.config.evidence_table import EvidenceConfig
from wattgram.delivery.configuration import load

SITE = (
    '[site]\nname = "works"\ntimezone = "Asia/Shanghai"\n[grid]\nzone = "CN-CQ"\n'
    '[[device]]\nname = "a"\nrole = "grid"\ndriver = "eastron_sdm630"\nurl = "tcp://127.0.0.1"\n'
)


def loaded(tmp_path: Path, text: str) -> EvidenceConfig:
    path = tmp_path / "site.toml"
    path.write_text(f"{SITE}{text}\n")
    return load(path).evidence


def test_a_site_seals_by_default(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == EvidenceConfig(seal=True, key=None)
    assert loaded(tmp_path, "[evidence]\nseal = false") == EvidenceConfig(seal=False)


def test_a_key_file_is_beside_the_configuration_or_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[evidence]\nkey = { file = "seal-key" }'
    assert loaded(tmp_path, text).key == tmp_path / "seal-key", "only the daemon opens the file"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/wattgram.service")
    assert loaded(tmp_path, text).key == Path("/run/credentials/wattgram.service/seal-key")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('key = "PRIVATE+KEY+x"', "evidence.key: found a secret in the file, or its name; allowed"),
        ('key = { env = "X" }', 'allowed: { file = "PATH" }'),
        ("seal = 1", "evidence.seal: found 1; allowed: true or false"),
        ("sealed = true", "unknown key, nearest: 'seal'"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, f"[evidence]\n{text}")
    assert message in error.value.mistakes[0]
