/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timelines' home of the forwarding core: dataplane/env.h over real flow tables, fed by the real row
 * history.
 */
#include "tests/support/timeline.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/apply.h"
#include "dataplane/env.h"

enum { START_S = 100000, FRAME_MAX = 256 };

static const uint16_t idle_s[SL_FLOW_KIND_COUNT] = {TIMELINE_TCP_S, TIMELINE_QUIC_S, TIMELINE_UDP_S};
static const struct {
	uint16_t port;
	uint8_t proto;
	struct sl_service service;
} services[TIMELINE_SERVICES] = {
	[WEB] = {80, IPPROTO_TCP, {.id = WEB}},
	[AFFINITY] = {81, IPPROTO_TCP, {.id = AFFINITY, .hash = SL_HASH_SOURCE, .lens_hash = SL_HASH_SOURCE}},
	[ALWAYS] = {82, IPPROTO_TCP, {.id = ALWAYS, .tracking = SL_TRACKING_ALWAYS}},
	[QUIC] = {443, IPPROTO_UDP, {.id = QUIC, .udp_flows = SL_UDP_FLOWS_QUIC}},
	[UNMARKED] = {5060, IPPROTO_UDP, {.id = UNMARKED}},
};

struct timeline {
	struct sl_env env[TIMELINE_WORKERS]; /* first of each worker's own */
	struct sl_worker_stats stats[TIMELINE_WORKERS];
	struct row_history history;
	uint8_t state[TIMELINE_SLOTS];
	bool v6, pressure;
	uint64_t now_ms, pressure_ms, settle_ms;
	struct apply *apply;
	struct snapshot *snapshot;
	uint64_t generation, records;
	struct sl_port port;
};

/* Mode l2 neither grows nor cuts a frame. */
SL_INLINE int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	(void)env;
	(void)pkt;
	return -1;
}

#include "sluice/core/forward.h"

static struct sl_addr host_address(const struct timeline *t, uint16_t host)
{
	struct sl_addr addr = {.b = {0x20, 1, 0xd, 0xb8}};

	if (!t->v6)
		return sl_addr_from_v4(htonl(0xcb007100u + host)); /* 203.0.113.0 and on; 0 is the VIP */
	addr.w[3] = htonl(host);
	return addr;
}

/* ---- publishing */

static void tell(struct timeline *t, enum sl_record_type type, const void *payload, size_t len,
		 const uint16_t *rows)
{
	struct sl_record record = {.type = (__u16)type};
	struct apply_result result;

	memcpy(&record.payload, payload, len);
	t->records += type != SL_RECORD_RESET;
	apply_record(t->apply, &record, rows, &result);
	assert_int_equal(result.rejected.reason, SL_REJECT_NONE);
	if (result.snapshot == NULL)
		return;
	for (int i = 0; i < TIMELINE_WORKERS; i++)
		t->env[i].snapshot = result.snapshot;
	snapshot_free(t->snapshot);
	t->snapshot = result.snapshot;
}

static void tell_rows(struct timeline *t, enum sl_table_kind kind, const uint16_t *row, uint32_t rows)
{
	const struct sl_table_put put = {
		.kind = kind, .rows = rows, .length = rows * 2, .checksum = sl_checksum64(row, rows * 2)};

	tell(t, SL_RECORD_TABLE, &put, sizeof(put), row);
}

static void tell_pool(struct timeline *t)
{
	const struct row_history *h = &t->history;
	struct sl_pool pool = {
		.rows = h->rows, .slots = TIMELINE_SLOTS, .lens_rows = h->lens.rows, .lens_key = h->lens.key};
	uint16_t current[TIMELINE_ROWS_MAX];

	memcpy(pool.idle_s, idle_s, sizeof(idle_s));
	tell(t, SL_RECORD_POOL, &pool, sizeof(pool), NULL);
	for (uint16_t slot = 0; slot < TIMELINE_SLOTS; slot++) {
		const struct sl_backend backend = {
			.slot = slot, .stats = slot, .state = t->state[slot], .neighbor = slot + 1u};

		if (t->state[slot] != SL_BACKEND_GONE)
			tell(t, SL_RECORD_BACKEND, &backend, sizeof(backend), NULL);
	}
	for (uint32_t r = 0; r < h->rows; r++)
		current[r] = h->current[r] |
			     (h->quiet_s[r] != ROW_QUIET_CLEAN || h->lens.rows != 0 ? SL_ROW_LOOK : 0);
	tell_rows(t, SL_TABLE_CURRENT, current, h->rows);
	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++) {
		if (h->kind[kind].base != NULL)
			tell_rows(t, SL_TABLE_BASE_TCP + kind, h->kind[kind].base, h->rows);
		if (h->lens.rows != 0 && h->lens.base[kind] != NULL)
			tell_rows(t, SL_TABLE_LENS_TCP + kind, h->lens.base[kind], h->lens.rows);
	}
}

static void publish(struct timeline *t)
{
	struct sl_settings settings = {.hash_key = t->history.key, .flow_key = {7, 8}};
	const struct sl_vip vip = {.addr = host_address(t, 0)};
	struct sl_commit commit = {.generation = ++t->generation};

	t->records = 0;
	memcpy(settings.idle_max_s, idle_s, sizeof(idle_s));
	tell(t, SL_RECORD_RESET, &commit, 0, NULL);
	tell(t, SL_RECORD_SETTINGS, &settings, sizeof(settings), NULL);
	for (uint32_t id = 1; id <= TIMELINE_SLOTS; id++) {
		const struct sl_neighbor neighbor = {
			.id = id, .mac = {2, 0, 0, 0, 0xb, (uint8_t)(id - 1)}, .known = 1};

		tell(t, SL_RECORD_NEIGHBOR, &neighbor, sizeof(neighbor), NULL);
	}
	tell_pool(t);
	for (int i = 0; i < TIMELINE_SERVICES; i++) {
		const struct sl_listener listener = {.addr = vip.addr,
						     .port = htons(services[i].port),
						     .proto = services[i].proto,
						     .service = (uint32_t)i};

		tell(t, SL_RECORD_SERVICE, &services[i].service, sizeof(services[i].service), NULL);
		tell(t, SL_RECORD_LISTENER, &listener, sizeof(listener), NULL);
	}
	tell(t, SL_RECORD_VIP, &vip, sizeof(vip), NULL);
	commit.records = t->records;
	tell(t, SL_RECORD_COMMIT, &commit, sizeof(commit), NULL);
	t->history.changed = 0;
}

/* ---- sluiced */

static struct row_inputs inputs(const struct timeline *t)
{
	struct row_inputs in = {.state = t->state,
				.slots = TIMELINE_SLOTS,
				.now_ms = t->now_ms,
				.pressure_ms = t->pressure_ms,
				.pressure = timeline_pressure(t)};

	memcpy(in.idle_s, idle_s, sizeof(idle_s));
	return in;
}

void timeline_rows(struct timeline *t, const uint16_t *row)
{
	const struct row_inputs in = inputs(t);

	assert_int_equal(row_history_change(&t->history, row, &in), 0);
	t->settle_ms = row_history_settle(&t->history, &in);
	publish(t);
}

void timeline_moves(struct timeline *t, uint16_t slot)
{
	uint16_t row[TIMELINE_ROWS_MAX];

	for (uint32_t r = 0; r < t->history.rows; r++)
		row[r] = slot;
	timeline_rows(t, row);
}

void timeline_state(struct timeline *t, uint16_t slot, uint8_t state)
{
	t->state[slot] = state;
	timeline_rows(t, NULL);
}

void timeline_rekey(struct timeline *t, const uint16_t *row, uint32_t rows, uint64_t key)
{
	const struct sl_key new_key = {key, key + 1};
	const struct row_inputs in = inputs(t);

	assert_int_equal(row_history_rekey(&t->history, row, rows, &new_key, &in), 0);
	t->settle_ms = row_history_settle(&t->history, &in);
	publish(t);
}

struct row_history *timeline_history(struct timeline *t)
{
	return &t->history;
}

uint32_t timeline_open(const struct timeline *t, enum sl_flow_kind kind)
{
	return t->history.kind[kind].open;
}

/* ---- packets */

/* The client's IP header; returns where its transport header begins. */
static size_t put_ip(const struct timeline *t, uint8_t *frame, struct client client, uint8_t proto,
		     size_t payload)
{
	const struct sl_addr src = host_address(t, (uint16_t)(client.host + 1)), dst = host_address(t, 0);

	memcpy(frame, (uint8_t[14]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, t->v6 ? 0x86 : 8, t->v6 ? 0xdd : 0},
	       14);
	if (t->v6) {
		frame[14] = 0x60;
		frame[18] = (uint8_t)(payload >> 8);
		frame[19] = (uint8_t)payload;
		frame[20] = proto;
		frame[21] = 64;
		memcpy(frame + 22, &src, 16);
		memcpy(frame + 38, &dst, 16);
		return 14 + 40;
	}
	frame[14] = 0x45;
	frame[16] = (uint8_t)((payload + 20) >> 8);
	frame[17] = (uint8_t)(payload + 20);
	frame[22] = 64;
	frame[23] = proto;
	memcpy(frame + 26, src.b + 12, 4);
	memcpy(frame + 30, dst.b + 12, 4);
	return 14 + 20;
}

static size_t put_packet(const struct timeline *t, uint8_t *frame, struct client client,
			 enum timeline_packet packet)
{
	static const uint8_t flags[] = {[SYN] = SL_TCP_SYN,
					[ACK] = SL_TCP_ACK,
					[DATA] = SL_TCP_ACK,
					[FIN] = SL_TCP_FIN | SL_TCP_ACK,
					[RST] = SL_TCP_RST};
	const uint8_t proto = services[client.service].proto;
	const uint16_t ports[2] = {htons(client.port), htons(services[client.service].port)};
	const size_t payload = proto == IPPROTO_TCP ? (packet == DATA ? 21 : 20) : 8 + 20;
	const size_t l4 = put_ip(t, frame, client, proto, payload);

	memcpy(frame + l4, ports, 4);
	if (proto == IPPROTO_TCP) {
		frame[l4 + 12] = 0x50;
		frame[l4 + 13] = flags[packet];
	} else {
		frame[l4 + 5] = (uint8_t)payload;
		frame[l4 + 8] = packet == INITIAL ? 0xc0 : 0x40;
		frame[l4 + 12] = 1;
	}
	return l4 + payload;
}

uint16_t timeline_at(struct timeline *t, unsigned int worker, struct client client,
		     enum timeline_packet packet)
{
	uint8_t frame[FRAME_MAX] = {0};
	struct sl_plan plan;
	struct sl_packet pkt = {.data = frame, .plan = &plan, .flags = SL_PKT_IP_CSUM_OK};
	enum sl_verdict verdict;

	pkt.frame_len = (uint32_t)put_packet(t, frame, client, packet);
	pkt.end = frame + pkt.frame_len;
	t->env[worker].now_ns = t->now_ms * 1000000;
	verdict = sl_forward(&t->env[worker], &pkt);
	if (verdict != SL_VERDICT_FORWARD) {
		assert_int_equal(verdict, SL_VERDICT_DROP_NO_BACKEND);
		return TIMELINE_NOBODY;
	}
	assert_int_equal(frame[5], pkt.slot); /* the frame goes where the core says */
	return pkt.slot;
}

uint16_t timeline_goes(struct timeline *t, struct client client, enum timeline_packet packet)
{
	return timeline_at(t, 0, client, packet);
}

uint16_t timeline_connects(struct timeline *t, struct client client)
{
	const uint16_t slot = timeline_goes(t, client, SYN);

	assert_int_equal(timeline_goes(t, client, ACK), slot);
	assert_int_equal(timeline_goes(t, client, DATA), slot);
	return slot;
}

uint32_t timeline_row(const struct timeline *t, struct client client)
{
	const struct sl_flow_key key = {.src = host_address(t, (uint16_t)(client.host + 1)),
					.dst = host_address(t, 0),
					.sport = htons(client.port),
					.dport = htons(services[client.service].port),
					.proto = services[client.service].proto};

	return sl_row_of(sl_row_hash(&t->history.key, &key, client.service == AFFINITY), t->history.rows);
}

bool timeline_pressure(const struct timeline *t)
{
	for (int i = 0; i < TIMELINE_WORKERS; i++)
		if (flow_table_pressure(t->env[i].flows))
			return true;
	return false;
}

uint64_t timeline_count(const struct timeline *t, enum sl_flow_counter counter)
{
	uint64_t sum = 0;

	for (int i = 0; i < TIMELINE_WORKERS; i++)
		sum += t->stats[i].flow[counter];
	return sum;
}

/* ---- time */

uint64_t timeline_now_s(const struct timeline *t)
{
	return t->now_ms / 1000;
}

static void one_second(struct timeline *t)
{
	const struct flow_table_lives lives = flow_table_lives(idle_s);
	bool pressure;

	t->now_ms += 1000;
	for (int i = 0; i < TIMELINE_WORKERS; i++)
		flow_table_tick(t->env[i].flows, t->now_ms / 1000, t->now_ms * 1000000, &lives);
	pressure = timeline_pressure(t);
	if (pressure)
		t->pressure_ms = t->now_ms;
	if (t->now_ms >= t->settle_ms ||
	    pressure != t->pressure) { /* sluiced hears of pressure, and of its end */
		t->pressure = pressure;
		const struct row_inputs in = inputs(t);

		t->settle_ms = row_history_settle(&t->history, &in);
		if (t->history.changed != 0)
			publish(t);
	}
}

void timeline_pass(struct timeline *t, uint32_t seconds)
{
	for (uint32_t i = 0; i < seconds; i++)
		one_second(t);
}

/* ---- start */

static void start_workers(struct timeline *t)
{
	for (int i = 0; i < TIMELINE_WORKERS; i++) {
		t->env[i] = (struct sl_env){.snapshot = t->snapshot != NULL ? t->snapshot : &snapshot_empty,
					    .ports = &t->port,
					    .port_count = 1,
					    .stats = &t->stats[i]};
		assert_int_equal(flow_table_create(&dp_allocator_malloc, TIMELINE_FLOWS, t->now_ms / 1000,
						   &t->env[i].flows),
				 0);
	}
}

static void end_workers(struct timeline *t)
{
	for (int i = 0; i < TIMELINE_WORKERS; i++)
		flow_table_destroy(&dp_allocator_malloc, t->env[i].flows);
}

void timeline_restart(struct timeline *t)
{
	end_workers(t);
	start_workers(t);
}

struct timeline *timeline_start(bool v6)
{
	static const struct sl_shm_limits limits = {.services = TIMELINE_SERVICES,
						    .pools = 1,
						    .backends = TIMELINE_SLOTS,
						    .neighbors = TIMELINE_SLOTS + 1,
						    .listeners = TIMELINE_SERVICES,
						    .vips = 1,
						    .workers = TIMELINE_WORKERS};
	const struct sl_key key = {1, 2};
	struct timeline *t = calloc(1, sizeof(*t));
	uint16_t row[TIMELINE_ROWS] = {A};

	assert_non_null(t);
	t->v6 = v6;
	t->now_ms = START_S * 1000ull;
	t->settle_ms = ROW_NEVER_MS;
	t->port = (struct sl_port){.mac = {2, 0, 0, 0, 0, 1}};
	for (int i = A; i <= E; i++)
		t->state[i] = SL_BACKEND_UP;
	assert_int_equal(row_history_start(&t->history, row, TIMELINE_ROWS, &key), 0);
	assert_int_equal(row_history_use(&t->history, 7), 0);
	assert_int_equal(apply_create(&limits, &dp_allocator_malloc, &t->apply), 0);
	start_workers(t);
	publish(t);
	return t;
}

void timeline_end(struct timeline *t)
{
	end_workers(t);
	apply_destroy(t->apply);
	snapshot_free(t->snapshot);
	row_history_clear(&t->history);
	free(t);
}

int timeline_setup_v4(void **state)
{
	*state = timeline_start(false);
	return 0;
}

int timeline_setup_v6(void **state)
{
	*state = timeline_start(true);
	return 0;
}

int timeline_teardown(void **state)
{
	timeline_end(*state);
	return 0;
}
