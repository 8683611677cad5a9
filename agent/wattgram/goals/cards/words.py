"""Texts of the goals' page except those of the claims: one CardTexts for each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wattgram.config.goals_table.claims import ARTICLES
from wattgram.formats.language import HTML_LANGUAGE, translate
from wattgram.goals.terms.outcome import State


@dataclass(frozen=True, slots=True)
class CardTexts:
    """The texts of one language. Names in braces are placeholders."""

    language: str
    title: str
    subtitle: str
    lead: str
    as_of: str
    summary: str
    shown: str
    states: Mapping[State, str]
    attention: str
    attention_none: str
    article: str
    articles: Mapping[str, str]
    id: str
    corrected: str
    indicator: str
    value: str
    uncertainty: str
    target: str
    why: str
    path: str
    projection: str
    needed: str
    beside: str
    coverage: str
    period: str
    period_elapsed: str
    missing: str
    add: str
    entry: str
    note: str
    formula: str
    source: str
    reference: str
    reference_source: str
    plot: str
    key_value: str
    key_path: str
    key_projection: str
    key_off: str
    workings: str
    workings_lead: str
    input: str
    unit: str
    origin: str
    rules: str
    rule: tuple[str, ...]
    provenance: str
    made: str
    zone: str
    basis: str
    method: str
    version: str


ENGLISH = CardTexts(
    language=HTML_LANGUAGE["en"],
    title="{site}: goals, {period}",
    subtitle="Goals on the way to carbon neutrality",
    lead="The claims of two articles on western China's path to carbon neutrality, compared with the measurements of "
    "this site.",
    as_of="{period}, as of {time}, {zone}",
    summary="Summary",
    shown="{shown} of {all} claims shown, {measured} measured.",
    states={
        "on track": "on track",
        "off track": "off track",
        "not enough data": "not enough data",
        "manual entry": "manual entry",
        "context only": "context only",
    },
    attention="Off track",
    attention_none="No claim is off track.",
    article="Article {letter}",
    articles=ARTICLES,
    id="id",
    corrected="corrected time: {names}",
    indicator="indicator",
    value="value",
    uncertainty="uncertainty (k = 2)",
    target="target",
    why="why",
    path="path at the present time",
    projection="projection at the end of the period",
    needed="needed in the rest of the period",
    beside="also",
    coverage="coverage",
    period="period",
    period_elapsed="{period} ({elapsed} elapsed)",
    missing="missing",
    add="what to do",
    entry="manual entry",
    note="note",
    formula="formula",
    source="source of the target",
    reference="for comparison",
    reference_source="source of the comparison",
    plot="{id}, {indicator}, {unit}: values, path to the target, and projection",
    key_value="value",
    key_path="path to the target",
    key_projection="projection",
    key_off="worse than the path",
    workings="Calculation of each number",
    workings_lead="Each formula with the numbers of this site, and the source of each number. The results can be "
    "recomputed by hand.",
    input="input",
    unit="unit",
    origin="source",
    rules="Terms",
    rule=(
        "On track: the coverage is 90 % or more, and the value is on the good side of its path or within the "
        "tolerance: 2 % of the path, at most half of the wanted change.",
        "Off track: the coverage is 90 % or more, and the value is worse than its path by more than the tolerance in "
        "two consecutive evaluations.",
        "Not enough data: the coverage is below 90 %, less than 10 % of the period has elapsed, an input is missing, "
        "or an entry has expired.",
        "Manual entry: a number that a person entered, with name, date and document.",
        "Context only: the claim contains nothing measurable, makes no sense in the zone, or its number has no target. "
        "A light needs merit of the site, against a target that somebody set for such a site.",
        "Path: the value expected at the present time. For a total: target x elapsed time / length of the period. For "
        "a ratio: the target. A ratio is a ratio of sums over the period, not a mean of ratios.",
        "METHOD and METHOD-SITE: sections of docs/method.md, in the source of this program.",
    ),
    provenance="Provenance",
    made="created",
    zone="grid zone",
    basis="basis of the factors, as configured",
    method="method of sharing, as configured",
    version="{name}, version",
)

CHINESE = CardTexts(
    language=HTML_LANGUAGE["zh"],
    title="{site}：目标，{period}",
    subtitle="碳中和路径上的目标",
    lead="关于中国西部碳中和路径的两篇文章的主张，与本厂区实测数据对照。",
    as_of="{period}，截至 {time}，{zone}",
    summary="汇总",
    shown="共 {all} 条主张，显示 {shown} 条，有实测值 {measured} 条。",
    states={
        "on track": "达标",
        "off track": "未达标",
        "not enough data": "数据不足",
        "manual entry": "人工填报",
        "context only": "仅供参考",
    },
    attention="未达标",
    attention_none="没有未达标的主张。",
    article="文章 {letter}",
    articles={letter: translate("zh")(name) for letter, name in ARTICLES.items()},
    id="ID",
    corrected="已更正时段：{names}",
    indicator="指标",
    value="实际值",
    uncertainty="不确定度（k = 2）",
    target="目标值",
    why="原因",
    path="当前时刻路径值",
    projection="期末预计值",
    needed="剩余时段所需值",
    beside="另有",
    coverage="数据覆盖率",
    period="时段",
    period_elapsed="{period}（已过 {elapsed}）",
    missing="缺少",
    add="处理建议",
    entry="人工填报",
    note="说明",
    formula="公式",
    source="目标值出处",
    reference="参考值",
    reference_source="参考值出处",
    plot="{id}，{indicator}，{unit}：实际值、目标路径和预计值",
    key_value="实际值",
    key_path="目标路径",
    key_projection="预计值",
    key_off="比路径差",
    workings="各数值的计算",
    workings_lead="各公式代入本厂区数据，并注明每个数据的出处。结果可手工复算。",
    input="输入",
    unit="单位",
    origin="出处",
    rules="术语",
    rule=(
        "达标：覆盖率不低于 90 %，且数值优于路径，或偏差在容差以内：路径的 2 %，且不超过目标变化的一半。",
        "未达标：覆盖率不低于 90 %，且连续两次评估数值比路径差，超出容差。",
        "数据不足：覆盖率低于 90 %、时段过去不足 10 %、缺少输入，或填报项已过期。",
        "人工填报：由人员填报的数值，注明姓名、日期和文件。",
        "仅供参考：主张没有可测量的内容、在该区域没有意义，或其数值没有目标值。"
        "判定状态要求厂区自身的作为，并对照为此类厂区设定的目标值。",
        "路径：当前时刻的预期值。累计量：目标值 x 已过时间 / 时段长度。比值：目标值。"
        "时段的比值为累计量之比，不是比值的平均。",
        "METHOD 和 METHOD-SITE：本程序源代码中 docs/method.md 的章节。",
    ),
    provenance="数据来源",
    made="生成时间",
    zone="电网区域",
    basis="排放因子口径（按配置）",
    method="分摊方法（按配置）",
    version="{name} 版本",
)

CARD_WORDS = {"en": ENGLISH, "zh": CHINESE}
"""Texts of the page by language."""
