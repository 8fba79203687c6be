/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program, by BPF_PROG_TEST_RUN: every frame is a system call. What it forwards by is the snapshot of the
 * other homes, told to its maps by tests/support/xdp_lab.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/snapshot_layout.h"
#include "home.h"
#include "sluice/flow_counter.h"
#include "tests/support/xdp_lab.h"

enum {
	POOLS_MAX = 64,
	LISTENERS_MAX = 256,
	NEIGHBORS_MAX = 512,
	BEGIN_S = 3600,     /* its clock must not show 0 */
	AGE_S = 1000,       /* sluiced deletes what expired: long before ages wrap */
};

/* What the lab is told, as arrays. */
struct arrays {
	struct xdp_lab_world world;
	struct sl_neighbor neighbors[NEIGHBORS_MAX];
	struct sl_backend backends[HOME_BACKENDS_MAX];
	struct xdp_lab_pool pools[POOLS_MAX];
	struct sl_service services[HOME_SERVICES_MAX];
	struct sl_listener listeners[LISTENERS_MAX];
	struct sl_vip vips[LISTENERS_MAX];
};

static struct {
	struct xdp_lab *lab;
	struct arrays arrays;
	struct home_counts before; /* at begin(): the lab's go on */
	uint64_t aged_s;
	uint16_t receive;
} x;

static int start(void)
{
	const struct xdp_lab_options options = {.services = HOME_SERVICES_MAX, .pools = POOLS_MAX, .backends = HOME_BACKENDS_MAX,
						.places = 4 * POOLS_MAX, .chunks = 8192, .flows = 16384, .starts = 16384,
						.datagrams = 16384, .frags = true};
	char error[1024];
	const int err = xdp_lab_create(&options, &x.lab, error, sizeof(error));

	if (err < 0)
		fprintf(stderr, "%s\n", error);
	return err;
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "the XDP home: %s: %s\n", what, strerror(-err));
	abort();
}

/* ---- state ------------------------------------------------------------------------------------------------ */

static void add_pool(struct arrays *to, const struct snapshot_pool *from)
{
	struct xdp_lab_pool *pool = &to->pools[to->world.pool_count++];

	*pool = (struct xdp_lab_pool){.pool = from->pool};
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++)
		pool->table[kind] = from->table[kind] != NULL ? from->table[kind]->row : NULL;
	for (uint16_t slot = 0; slot < from->pool.slots; slot++)
		if (from->backend[slot].slot == slot)
			to->backends[to->world.backend_count++] = from->backend[slot];
}

static void add_service(struct arrays *to, const struct sl_service *service)
{
	for (size_t i = 0; i < to->world.service_count; i++)
		if (to->services[i].id == service->id)
			return;
	to->services[to->world.service_count++] = *service;
}

/* The listeners with their services, and the VIPs. */
static void add_services(struct arrays *to, const struct snapshot *snapshot)
{
	for (uint32_t i = 0; i <= snapshot->services->mask; i++) {
		const struct snapshot_listener *from = &snapshot->services->slot[i];

		if (snapshot_addr_is_zero(&from->addr))
			continue;
		add_service(to, &from->service);
		to->listeners[to->world.listener_count++] = (struct sl_listener){
			.addr = from->addr, .port = from->port, .proto = from->proto, .service = from->service.id};
	}
	for (uint32_t i = 0; i <= snapshot->vips->mask; i++)
		if (!snapshot_addr_is_zero(&snapshot->vips->slot[i].addr))
			to->vips[to->world.vip_count++] = snapshot->vips->slot[i];
}

static void use(const struct home_state *state)
{
	const struct snapshot *snapshot = state->snapshot;
	struct arrays *to = &x.arrays;
	int err;

	to->world = (struct xdp_lab_world){.settings = snapshot->settings, .ports = state->ports,
					   .port_count = state->port_count, .neighbors = to->neighbors,
					   .backends = to->backends, .pools = to->pools, .services = to->services,
					   .listeners = to->listeners, .vips = to->vips};
	for (uint32_t id = 0; id < snapshot->neighbors->count; id++)
		if (snapshot->neighbors->neighbor[id].id == id)
			to->neighbors[to->world.neighbor_count++] = snapshot->neighbors->neighbor[id];
	for (uint32_t id = 0; id < snapshot->pool_count; id++)
		if (snapshot->pool[id] != NULL)
			add_pool(to, snapshot->pool[id]);
	add_services(to, snapshot);
	x.receive = state->receive;
	err = xdp_lab_publish(x.lab, &to->world);
	if (err == 0 && home_plant == HOME_PLANT_MEMORY)
		err = xdp_lab_forget(x.lab);
	if (err < 0)
		fail("a generation cannot be published", err);
}

/* ---- packets ---------------------------------------------------------------------------------------------- */

static void pass(uint64_t now_ns, struct home_log *log)
{
	int err = 0;

	(void)log;
	for (; x.aged_s + AGE_S < now_ns / 1000000000 && err == 0; x.aged_s += AGE_S) {
		xdp_lab_clock(x.lab, (BEGIN_S + x.aged_s + AGE_S) * 1000000000);
		err = xdp_lab_age(x.lab);
	}
	if (err < 0)
		fail("connections cannot be aged", err);
	xdp_lab_clock(x.lab, BEGIN_S * 1000000000ull + now_ns);
}

/* What the driver is to do, as its verdict has it; a frame for the kernel is as it came. */
static bool is_consistent(const struct xdp_lab_result *result, const struct home_packet *packet)
{
	if (result->action == 2) /* XDP_PASS */
		return result->verdict == SL_VERDICT_TO_KERNEL && result->len == packet->len &&
		       memcmp(result->frame, packet->bytes, packet->len) == 0;
	return result->verdict != SL_VERDICT_TO_KERNEL && (result->leaves || result->action == 1); /* XDP_DROP */
}

static void burst(const struct home_packet *packets, unsigned int count, uint64_t now_ns, struct home_log *log)
{
	static uint8_t frame[2 * HOME_FRAME_MAX];
	struct xdp_lab_result result;

	(void)now_ns;
	for (unsigned int i = 0; i < count; i++) {
		const int err = xdp_lab_run(x.lab, x.receive, UINT32_MAX, packets[i].bytes, packets[i].len, &result);

		if (err < 0)
			fail("the kernel does not run a frame", err);
		home_log_verdict(log, packets[i].id, is_consistent(&result, &packets[i]) ? result.verdict : SL_VERDICT_COUNT);
		if (!result.leaves)
			continue;
		memcpy(frame, result.frame, result.len);
		home_plant_byte(frame, result.len);
		home_log_frame(log, result.out_port, frame, result.len);
	}
}

/* ---- counters --------------------------------------------------------------------------------------------- */

static void read_counts(struct home_counts *counts)
{
	struct xdp_lab_counts sums = {0};
	int err = xdp_lab_counts(x.lab, &sums);

	memset(counts, 0, sizeof(*counts));
	memcpy(counts->verdict, sums.verdict, sizeof(counts->verdict));
	memcpy(counts->flow, sums.flow, sizeof(counts->flow));
	for (uint32_t i = 0; i < HOME_SERVICES_MAX && err == 0; i++)
		err = xdp_lab_service_count(x.lab, i, &counts->service[i]);
	for (uint32_t i = 0; i < HOME_BACKENDS_MAX && err == 0; i++)
		err = xdp_lab_backend_count(x.lab, i, &counts->backend[i]);
	if (err < 0)
		fail("counters cannot be read", err);
}

static void counts(struct home_counts *ret_counts)
{
	const uint64_t *before = (const uint64_t *)&x.before;
	uint64_t *now = (uint64_t *)ret_counts;

	read_counts(ret_counts);
	for (size_t i = 0; i < sizeof(*ret_counts) / sizeof(*now); i++)
		now[i] -= before[i];
	if (home_plant == HOME_PLANT_COUNT && ret_counts->verdict[SL_VERDICT_DROP_FRAGMENT_EARLY] > 0)
		ret_counts->flow[SL_FLOW_COUNT_FOUND]++;
}

static int begin(bool brief)
{
	(void)brief;
	x.aged_s = 0;
	read_counts(&x.before);
	return xdp_lab_forget(x.lab);
}

static bool pressure(void)
{
	const struct sl_xdp_live *live = xdp_lab_live(x.lab);

	return live->full || live->pressure_s != 0 || live->refused != 0;
}

const struct home home_xdp = {"XDP", false, HOME_FRAME_MAX, XDP_LAB_FRAME_MIN, false, true, start, begin, use, pass, burst, counts,
			     NULL, pressure};
