# SPDX-License-Identifier: GPL-2.0-only
"""Draws the bench's result: bars on a logarithmic axis, a group for each case."""

import math

# Okabe and Ito's: told apart by people who see fewer colours, and in grey
COLORS = {"stock": "#9a9a9a", "type1": "#56b4e9", "plain": "#e69f00", "ours": "#b34700"}
BAR = 0.2


def exact(value):
    """As short as it can be said."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def draw_panel(axis, panel, labels, budgets_of):
    """panel: (title, [(text, row)]) from top to bottom."""
    title, rows = panel
    values = [row[column] for _, row in rows for column in labels if row[column]]
    values += [budget for _, row in rows for budget in budgets_of(row).values() if budget]
    low = 10 ** math.floor(math.log10(min(values) * 0.9))
    high = 10 ** (math.log10(max(values)) + 0.09 * math.log10(max(values) / low))
    for index, (column, label) in enumerate(labels.items()):
        for place, (_, row) in enumerate(rows):
            y = place + (index - (len(labels) - 1) / 2) * BAR
            value = row[column]
            budget = budgets_of(row).get(column)
            if value is not None:
                end = max(value, low)
                axis.barh(y, end - low, BAR * 0.9, left=low, color=COLORS[column])
                # beside the mark of the budget, not under it
                if budget and end < budget * 1.1 and budget < end * (high / low) ** 0.06:
                    end = budget
                axis.text(end * (high / low) ** 0.006, y, exact(value), va="center", fontsize=6.5)
            if budget:
                axis.plot([budget] * 2, [y - BAR * 0.62, y + BAR * 0.62], color="black",
                          linewidth=1.6, solid_capstyle="butt")
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.set_xlim(low, high)
    axis.set_yticks(range(len(rows)), [text for text, _ in rows])
    axis.set_ylim(len(rows) - 0.45, -0.55)
    axis.set_title(title, loc="left", fontsize=9, fontweight="bold")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)


def draw(path, panels, labels, budgets_of, caption):
    """
    labels: what each column of a row is called; budgets_of(row): the most that
    a column may have. Raises ImportError without matplotlib.
    """
    import matplotlib
    matplotlib.use("svg")
    # the same numbers give the same file
    matplotlib.rcParams.update({"svg.hashsalt": "iommufd", "font.size": 8,
                                "font.family": "DejaVu Sans", "svg.fonttype": "none"})
    from matplotlib import lines, patches, pyplot

    figure, axes = pyplot.subplots(
        len(panels), 1, squeeze=False, layout="constrained",
        figsize=(10, 1.3 + sum(0.45 + 0.54 * len(rows) for _, rows in panels)),
        height_ratios=[len(rows) + 0.7 for _, rows in panels])
    for axis, panel in zip(axes[:, 0], panels):
        draw_panel(axis, panel, labels, budgets_of)
    handles = [patches.Patch(color=COLORS[column], label=label)
               for column, label in labels.items()]
    handles.append(lines.Line2D([], [], color="black", marker="|", linestyle="none",
                                markersize=9, markeredgewidth=1.6, label="at most"))
    # a title and the legend of nothing, which keep their room above the bars
    figure.suptitle(" ", fontsize=12)
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), frameon=False)
    figure.supxlabel(caption, fontsize=7.5)
    figure.savefig(path, metadata={"Date": None})
