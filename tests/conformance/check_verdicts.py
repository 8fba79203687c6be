#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/verdicts.md has one row a verdict and operations.md one a flow counter, in the order of their enums."""
import re

import tree


def flow_counters():
    """What is wrong with the table of flow counters."""
    header = tree.text("include/sluice/flow_counter.h")
    names = re.findall(r"case SL_FLOW_COUNT_\w+: return \"(\w+)\";", header)
    text = tree.text("docs/operations.md")
    table = text[text.index("| counter | what happened"):].split("\n\n")[0]
    documented = re.findall(r"^\| `(\w+)` \|[^|]+\|[^|]+\|$", table, re.M)
    return [] if documented == names else ["docs/operations.md: flow counters are %s, documented are %s" %
                                           (" ".join(names), " ".join(documented))]


def main():
    """Compares the enum, its names and the table."""
    header = tree.text("include/sluice/verdict.h")
    enum = header[header.index("enum sl_verdict {"):header.index("};")]
    names = [name.lower() for name in re.findall(r"^\tSL_VERDICT_(\w+)", enum, re.M) if name != "COUNT"]
    words = dict(re.findall(r"case SL_VERDICT_(\w+): return \"(\w+)\";", header))
    found = ["include/sluice/verdict.h: sl_verdict_name says %r for SL_VERDICT_%s" % (word, name)
             for name, word in words.items() if word != name.lower()]
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in tree.text("docs/verdicts.md").splitlines() if re.match(r"\| *`", line)]
    documented = [row[0].strip("`") for row in rows]
    found += ["docs/verdicts.md: no row for %s" % name for name in names if name not in documented]
    found += ["docs/verdicts.md: %s is no verdict" % name for name in documented if name not in names]
    if not found and documented != names:
        found.append("docs/verdicts.md: rows are not in the order of enum sl_verdict")
    found += ["docs/verdicts.md: %s: meaning, cause or command is missing" % row[0] for row in rows
              if len(row) != 4 or not all(row)]
    found += flow_counters()
    tree.finish(found, "%d verdicts are documented" % len(names))


main()
