// Draws each element with data-chart: {"at_seconds": [...], "labels": [...], "values": [[...], ...]}, as lines over time.
// The page has the same numbers as a table, for users without scripts.
(() => {
    "use strict";

    const COLORS = ["--idle", "--good", "--slow", "--bad"];
    const DASHES = [[], [], [6, 4], [2, 3]];  // so that color alone does not distinguish a series
    const HEIGHT = 260;

    const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const grouped = (value) => (value == null ? "–" : value.toLocaleString());

    // Times in the user's format, with the day where one begins.
    const time = (at) => at.toLocaleTimeString(undefined, { timeStyle: "short" });
    const day = (at) => at.toLocaleDateString(undefined, { day: "numeric", month: "short" });
    const moment = (at) => `${day(at)}, ${time(at)}`;
    const times = (_plot, ticks, _axis, _space, step) => {
        const all = ticks.map((each) => new Date(each * 1000));
        if (step >= 86400) return all.map(day);
        return all.map((at, index) => (index && day(at) === day(all[index - 1]) ? time(at) : `${time(at)}\n${day(at)}`));
    };

    const options = (chart, width) => {
        const ink = color("--pico-muted-color");
        const grid = { stroke: color("--pico-muted-border-color"), width: 1 };
        const axis = { stroke: ink, grid, ticks: grid };
        const size = (_plot, values) => 22 + 8 * Math.max(3, ...(values || []).map((each) => each.length));
        return {
            width,
            height: HEIGHT,
            scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.05)] } },
            axes: [{ ...axis, values: times, space: 64 }, { ...axis, size, values: (_plot, ticks) => ticks.map(grouped) }],
            series: [
                { label: "Time", value: (_plot, at) => (at == null ? "–" : moment(new Date(at * 1000))) },
                ...chart.labels.map((label, index) => ({
                    label,
                    stroke: color(COLORS[index % COLORS.length]),
                    width: 2,
                    dash: DASHES[index % DASHES.length],
                    points: { show: chart.at_seconds.length < 2 },
                    value: (_plot, value) => grouped(value),
                })),
            ],
        };
    };

    const draw = (element) => {
        const chart = JSON.parse(element.dataset.chart);
        element.plot?.destroy();
        element.plot = new uPlot(options(chart, element.clientWidth), [chart.at_seconds, ...chart.values], element);
    };

    const all = () => document.querySelectorAll("[data-chart]");

    document.addEventListener("DOMContentLoaded", () => {
        all().forEach(draw);
        const resized = new ResizeObserver((entries) => {
            for (const { target } of entries) {
                target.plot.setSize({ width: target.clientWidth, height: HEIGHT });
            }
        });
        all().forEach((each) => resized.observe(each));
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all().forEach(draw));
    });
})();
