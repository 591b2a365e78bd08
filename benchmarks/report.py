"""A result as Markdown: the figures, their ratios, the CPU behind them, what is missing."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import REFERENCE, SENDER, Cell, Line, Participant, Result

OURS = "berth"  # these keys get a column of ratios beside their figures
ABSENT, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"
BEGIN, END = "<!-- benchmark:begin -->", "<!-- benchmark:end -->"


def figure(value: float) -> str:
    """A number with as many digits as it is good for."""
    if not value:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ABSENT
    if cell.failed or cell.median is None:
        return "failed"
    if len(cell.values) == 1:
        return figure(cell.median)
    return f"{figure(cell.median)} ({figure(min(cell.values))} to {figure(max(cell.values))})"


def _ratio(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def _present(result: Result) -> list[Participant]:
    return [each for each in result.participants if not each.skipped]


def _unit(line: Line) -> str:
    return f"{line.title}, {line.unit}"


def _figures(result: Result) -> str:
    head, rows = ["row, unit"], [[_unit(line)] for line in result.lines]
    for each in _present(result):
        head.append(each.label)
        for cells, line in zip(rows, result.lines, strict=True):
            cells.append(_cell(line.cells.get(each.key)))
        if each.key.startswith(OURS):
            head.append(TIMES)
            for cells, line in zip(rows, result.lines, strict=True):
                cells.append(_ratio(line.speed(each.key, line, REFERENCE)))
    return _table(head, rows)


def _ratios(result: Result) -> str:
    everyone = [each for each in _present(result) if each.key != REFERENCE]
    rows = [
        [line.title, *(_ratio(line.speed(each.key, line, REFERENCE)) for each in everyone)]
        for line in result.lines
    ]
    return _table(["row", *(each.label for each in everyone)], rows)


def _cpu(result: Result) -> str:
    rows = []
    for line in result.lines:
        costs = [
            line.cells[each.key].median_cpu if each.key in line.cells else None
            for each in _present(result)
        ]
        if any(costs):
            rows.append([line.title, *(ABSENT if cost is None else figure(cost) for cost in costs)])
    return _table(["row", *(each.label for each in _present(result))], rows)


def _against(result: Result, previous: Result) -> str:
    rows = []
    for line in result.lines:
        before = previous.line(line.key)
        if before and _comparable(line, result, before, previous):
            speeds = [line.speed(each.key, before, each.key) for each in _present(result)]
            rows.append([line.title, *(_ratio(speed) for speed in speeds)])
    return _table(["row", *(each.label for each in _present(result))], rows)


def _comparable(line: Line, result: Result, before: Line, previous: Result) -> bool:
    # A row's title holds its sizes: other sizes, another row.
    return line.title == before.title and not (
        line.key.startswith("read-") and _other_sender(result, previous)
    )


def _other_sender(result: Result, previous: Result) -> str:
    """Who sent requests in the other run, if that was somebody else."""
    now, then = (each.machine.get(SENDER, "something else") for each in (result, previous))
    return "" if now == then else then


def _participants(result: Result) -> str:
    lines = [
        f"- {each.label}: {f'**skipped**, {each.skipped}' if each.skipped else each.version}"
        for each in result.participants
    ]
    labels = {each.key: each.label for each in result.participants}
    lines += [
        f"- **failed**: {line.title}, {labels[key]}: {cell.failed}"
        for line in result.lines
        for key, cell in line.cells.items()
        if cell.failed
    ]
    return "\n".join(lines)


def markdown(result: Result, previous: Result | None = None) -> str:
    """The whole report. Ratios are above 1 where the contender is the better one."""
    machine = "; ".join(f"{name} {value}" for name, value in result.machine.items())
    reference = next((each.label for each in _present(result) if each.key == REFERENCE), None)
    parts = [f"`{result.command}`, {result.began}, {result.rounds} rounds.\nMachine: {machine}."]
    if reference:
        legend = f"Median (least to most). {TIMES} is against {reference}, above 1 is better."
        ratios = f"**Ratios against {reference}**, above 1 is better:"
        parts += [legend, _figures(result), ratios, _ratios(result)]
    else:
        parts += ["Median (least to most).", _figures(result)]
    parts.append("**CPU of the server and its database**, ms for one request, push or pull:")
    parts.append(_cpu(result))
    if previous:
        parts.append(f"**Against the run of {previous.began}**, above 1 is better:")
        if sender := _other_sender(result, previous):
            parts.append(f"Read rows do not compare: {sender} sent their requests in that run.")
        parts.append(_against(result, previous))
    return "\n\n".join([*parts, _participants(result)]) + "\n"


def publish(text: str, page: Path) -> None:
    """Put a report between the markers of a page; raises ValueError if it has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks {BEGIN} or {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
