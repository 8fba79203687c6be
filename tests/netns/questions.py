# SPDX-License-Identifier: BSD-3-Clause
"""UDP: questions that stand for themselves, flows that stay together, and QUIC; servers drained and added."""

import time

from scenario import BOTH, scenario
from traffic import UDP_PORT, Killer, Traffic

SERVICES = [("dns", "udp", UDP_PORT, ", udp-flows: none"), ("sticky", "udp", UDP_PORT + 1, ", udp-flows: sticky"),
            ("quic", "udp", UDP_PORT + 2, ", udp-flows: quic")]


def share_of(reports, host):
    """Its share of the answers in percent."""
    counts = [(report["backends"].get(host, 0), report["answers"]) for report in reports]
    return 100 * sum(own for own, _ in counts) / max(1, sum(every for _, every in counts))


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), killed=(False, True), datapath=BOTH)
def udp_servers_come_and_go(test):
    """
    One is drained and one added: of `none`, no question goes to the drained one after a second and the added
    one has its share within 3 points; sticky and QUIC flows stay where they are.
    """
    traffic = Traffic(test, test.lab(backends=5, nginx=False), hosts=["be1", "be2", "be3", "be4"])
    traffic.services = SERVICES
    traffic.start({})
    traffic.start_udp("dns")
    traffic.start_udp("sticky", port=UDP_PORT + 1, count=1000, rate=600)
    traffic.start_udp("quic", port=UDP_PORT + 2, count=1000, rate=600)
    dns = traffic.udp[:2]
    time.sleep(2.5)
    with Killer(traffic, test.killed):
        traffic.ctl("drain", "be1")
        traffic.applied()
        time.sleep(1)
        for client in dns:
            client.ask("mark")
        time.sleep(2)
        reports = [client.ask("report") for client in dns]
        test.equal(share_of(reports, "be1"), 0, "percent of the questions that go to be1 a second after its drain")
        test.check(sum(report["answers"] for report in reports) > 4000, f"few answers: {reports}")
        traffic.set_weights(be5=1)
        time.sleep(0.5)
        for client in dns:
            client.ask("mark")
        time.sleep(3)
        reports = [client.ask("report") for client in dns]
        share = share_of(reports, "be5")
        test.check(abs(share - 25) <= 3, f"be5 has {share:.1f} % of the questions instead of 25 %")
        traffic.ctl("ready", "be1")
        traffic.pause(1.3)
    traffic.demand()
    lost = [report for report in (client.ask("report") for client in traffic.udp)
            if report["answers"] < 0.98 * report["questions"]]
    test.check(test.killed or not lost, f"more than 2 % of the questions got no answer: {lost}")
