/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One lookup an entry brings the values of all possible CPUs, each rounded up to 8 bytes.
 */
#include "controlplane/xdp_stats.h"

#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

enum { STATE_SLEEPING = 2 }; /* as sl_worker_stats.state: the program runs when a packet comes */

uint32_t xdp_stats_cpus(void)
{
	const int cpus = libbpf_num_possible_cpus();

	return cpus > 0 ? (uint32_t)cpus : 1;
}

static bool is_sent(int verdict)
{
	return verdict == SL_VERDICT_FORWARD || verdict == SL_VERDICT_ECHO_REPLY || verdict == SL_VERDICT_REJECT_EMPTY ||
	       verdict == SL_VERDICT_REJECT_NO_SERVICE || verdict == SL_VERDICT_RELAY_TOO_BIG;
}

struct sl_worker_stats *xdp_stats_read(const struct xdp_maps *maps, uint64_t generation)
{
	const uint32_t cpus = xdp_stats_cpus();
	struct sl_worker_stats *stats = calloc(cpus, sizeof(*stats));
	uint64_t *values = calloc(cpus, sizeof(*values));

	for (uint32_t v = 0; stats && values && v < SL_VERDICT_COUNT; v++) {
		if (bpf_map_lookup_elem(maps->map[XDP_MAP_VERDICTS].fd, &v, values) < 0)
			continue;
		for (uint32_t cpu = 0; cpu < cpus; cpu++) {
			stats[cpu].verdict[v] = values[cpu];
			stats[cpu].rx_packets += values[cpu];
			stats[cpu].tx_packets += is_sent((int)v) ? values[cpu] : 0;
		}
	}
	for (uint32_t i = 0; stats && values && i < SL_FLOW_COUNT_COUNT; i++) {
		if (bpf_map_lookup_elem(maps->map[XDP_MAP_FLOW_COUNTERS].fd, &i, values) < 0)
			continue;
		for (uint32_t cpu = 0; cpu < cpus; cpu++)
			stats[cpu].flow[i] = values[cpu];
	}
	for (uint32_t cpu = 0; stats && cpu < cpus; cpu++) {
		stats[cpu].cpu = cpu;
		stats[cpu].state = STATE_SLEEPING;
		stats[cpu].snapshot_generation = generation;
	}
	free(values);
	return stats;
}

struct sl_counter xdp_stats_counter(const struct xdp_maps *maps, enum xdp_map_id id, uint32_t position)
{
	const uint32_t cpus = xdp_stats_cpus();
	struct sl_counter *values = calloc(cpus, sizeof(*values)), sum = { 0, 0 };

	if (values && position < maps->map[id].entries && bpf_map_lookup_elem(maps->map[id].fd, &position, values) == 0)
		for (uint32_t cpu = 0; cpu < cpus; cpu++) {
			sum.packets += values[cpu].packets;
			sum.bytes += values[cpu].bytes;
		}
	free(values);
	return sum;
}
