# SPDX-License-Identifier: BSD-3-Clause
"""Who gets how much: equal and weighted shares, and that each is what sluice-sim predicts, flow by flow."""

from clients import by_flow, errors, predicted, shares
from processes import wait_for
from scenario import BOTH, scenario

REQUESTS = 10000
TOLERANCE = 3.0     # percent points


def shares_hold(test, lab, weights, first_port, hosts=None, **options):
    """10,000 requests: all answered, exactly as predicted, and near the weights. Returns the shares."""
    answers = lab.clients.fetch(REQUESTS, family=test.family, first_port=first_port, **options)
    test.equal(errors(answers)[:3], [], "failed requests")
    seen = by_flow(answers)
    wanted = predicted(lab, lab.balancer.config_path, list(seen), family=test.family)
    different = [(flow, wanted.get(flow), host) for flow, host in seen.items() if wanted.get(flow) != host]
    test.check(not different, f"{len(different)} of {REQUESTS} flows went elsewhere than sluice-sim says, the "
                              f"first (flow, predicted, seen): {different[:1]}")
    counts = shares(answers)
    for host, weight in zip(hosts or lab.hosts, weights):
        share, fair = 100 * counts[host] / REQUESTS, 100 * weight / sum(weights)
        test.check(abs(share - fair) <= TOLERANCE, f"{host} got {share:.1f} % instead of {fair:.1f} %")
    return counts


@scenario(timeout=180, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def shares_equal_and_weighted(test):
    """10,000 requests over 4 equal backends, then 1:2:3:4 after a reload: as predicted and near the weights."""
    lab = test.lab()
    lab.balancer.start(family=test.family, mode=test.mode)
    lab.balancer.wait_all_up()
    shares_hold(test, lab, [1, 1, 1, 1], 20000)
    lab.balancer.configure(family=test.family, mode=test.mode, weights=[1, 2, 3, 4])
    lab.balancer.reload_and_wait()
    shares_hold(test, lab, [1, 2, 3, 4], 30000)


@scenario(timeout=180, datapath=BOTH)
def ipip_reaches_a_real_tunl0(test):
    """Four-in-four to a guest kernel's own tunnel device, together with three backends that unwrap in XDP."""
    test.mode = "ipip"
    lab = test.lab(backends=3)
    guest = lab.backends.start_uml([lab.vip(4)])
    hosts = [*lab.hosts, "uml"]
    lab.balancer.start(mode="ipip", hosts=hosts)
    lab.balancer.wait_all_up(4)
    counts = shares_hold(test, lab, [1, 1, 1, 1], 20000, hosts, concurrent=16)
    test.check(counts["uml"] > 2000, f"the guest answered {counts['uml']} requests")
    guest.kill()
    lab.balancer.wait_state("uml", "down")
    wait_for(lambda: not errors(lab.clients.fetch(200, first_port=40000)), 10, "requests without the guest")
