#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what `xdp_bench --json` printed, nanoseconds against flows, as PREFIX.svg and PREFIX.png. Needs gnuplot."""
import json
import subprocess
import sys

CASES = ("tcp4", "tcp6", "udp4", "tcp4-remembered", "tcp6-remembered", "other4")
HEAD = """
set title "The XDP program: net time of a packet"
set xlabel "flows"
set ylabel "ns"
set logscale x
set format x "10^{%L}"
set yrange [0:*]
set grid ytics
set key outside right top
"""


def script(rows):
    """gnuplot's commands: one solid line a case, one dashed line the reference over IPv4."""
    lines, blocks = [], []
    for at, name in enumerate(CASES, 1):
        points = [(row["flows"], row["ns"]) for row in rows if row["case"] == name]
        blocks.append("$d%d << EOD\n%s\nEOD\n" % (at, "\n".join("%d %.1f" % point for point in points)))
        lines.append('$d%d using 1:2 with linespoints lw 2 pt 7 ps 0.5 title "%s"' % (at, name))
    points = [(row["flows"], row["reference_ns"]) for row in rows if row["case"] == "tcp4"]
    blocks.append("$ref << EOD\n%s\nEOD\n" % "\n".join("%d %.1f" % point for point in points))
    lines.append('$ref using 1:2 with lines lw 2 dt 2 lc rgb "black" title "reference, tcp4"')
    return "".join(blocks) + HEAD, "plot " + ", ".join(lines) + "\n"


def main():
    if len(sys.argv) != 3:
        print("usage: plot.py FIGURES.json PREFIX", file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        head, plot = script(json.load(file))
    outputs = "".join('set terminal %s\nset output "%s.%s"\n%s' % (terminal, sys.argv[2], suffix, plot) for terminal, suffix in
                      (("svg size 720,400", "svg"), ("pngcairo size 720,400", "png")))
    subprocess.run(["gnuplot"], input=head + outputs, text=True, check=True)
    with open(sys.argv[2] + ".svg", encoding="utf-8") as file:
        first, rest = file.read().split("\n", 1)
    with open(sys.argv[2] + ".svg", "w", encoding="utf-8") as file:
        file.write(first + "\n<!-- SPDX-License-Identifier: BSD-3-Clause -->\n" + rest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
