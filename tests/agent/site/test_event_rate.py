"""A flapping device publishes 10 events of a kind at once, then one in ten minutes, and never loses the last one."""

from __future__ import annotations

from wattgram.base.event_severity import SEVERITIES
from wattgram.site.event_rate import EventRate


def test_ten_events_of_a_kind_are_published_at_once_and_the_next_one_waits() -> None:
    rate = EventRate()
    assert [rate.admits("hall", "device lost", str(number), 0.0) for number in range(11)] == [True] * 10 + [False]
    assert list(rate.due(599.0)) == []
    (held,) = rate.due(600.0)
    assert held[:3] == ("hall", "device lost", "10")


def test_the_last_held_event_is_published_with_the_number_of_the_held_ones() -> None:
    rate = EventRate()
    for number in range(110):
        rate.admits("hall", "device lost", f"time {number}", float(number))
    (held,) = rate.due(700.0)
    assert (held.detail, held.events) == ("time 109", 100)
    assert list(rate.due(701.0)) == []


def test_an_hour_of_flapping_publishes_sixteen_events_of_each_kind_and_ends_with_the_end() -> None:
    rate, published = EventRate(), []
    for second in range(0, 3600, 2):
        for event, at in (("device lost", second), ("device back", second + 1)):
            published += [event] * rate.admits("hall", event, "", float(at))
            published += [held.event for held in rate.due(float(at))]
    last = [held.event for held in rate.due(3600.0 + 600.0)]
    assert published.count("device lost") == published.count("device back") == 10 + 5
    assert last == ["device lost", "device back"]


def test_devices_and_kinds_have_budgets_of_their_own() -> None:
    rate = EventRate()
    for _ in range(20):
        rate.admits("hall", "device lost", "", 0.0)
    assert rate.admits("roof", "device lost", "", 0.0)
    assert rate.admits("hall", "device back", "", 0.0)


def test_at_the_end_of_the_process_all_held_events_are_published() -> None:
    rate = EventRate()
    for _ in range(11):
        rate.admits("hall", "device back", "", 0.0)
    assert [held.event for held in rate.due(1.0, all_held=True)] == ["device back"]


def test_each_event_has_one_of_three_severities() -> None:
    assert set(SEVERITIES.values()) == {"info", "warning", "alarm"}
