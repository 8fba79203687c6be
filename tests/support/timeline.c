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
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/flow_file.h"
#include "dataplane/apply.h"
#include "dataplane/env.h"
#include "dataplane/flow_keeper.h"
#include "dataplane/log.h"
#include "sluice/host/boot_id.h"

enum { START_S = 100000, NUMBERING = 77 };

static const struct sl_key flow_key = {7, 8};

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
	char dir[32]; /* of flows.shm */
	int dir_fd;
	unsigned int workers;
	struct flow_keeper *keeper;
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

/* ---- sluice-dp's manager */

/* All workers forward by it from now on. */
static void use(struct timeline *t, const struct snapshot *snapshot)
{
	bool release;
	const struct flow_view view =
		flow_keeper_view(t->keeper, &snapshot->settings, timeline_now_s(t), &release);

	for (unsigned int i = 0; i < t->workers; i++) {
		t->env[i].snapshot = snapshot;
		t->env[i].shared = view;
		t->env[i].flow_id = flow_id(&flow_key, NUMBERING);
	}
	if (release)
		flow_keeper_release(t->keeper);
}

void timeline_soon(struct timeline *t)
{
	const struct flow_table_lives lives = flow_table_lives(idle_s);
	bool pressure = false;

	for (unsigned int i = 0; i < t->workers; i++) {
		flow_table_tick(t->env[i].flows, timeline_now_s(t), t->now_ms * 1000000, &lives);
		pressure |= flow_table_pressure(t->env[i].flows);
	}
	while (flow_keeper_tick(t->keeper, t->snapshot, timeline_now_s(t), t->now_ms * 1000000, pressure))
		;
	for (unsigned int i = 0; i < t->workers; i++) {
		t->env[i].shared_pressure = flow_keeper_pressure(t->keeper);
		t->env[i].shared_refused_s = flow_keeper_refused_s(t->keeper);
	}
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
	use(t, result.snapshot);
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
	struct sl_settings settings = {
		.hash_key = t->history.key, .flow_key = flow_key, .numbering = NUMBERING};
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

void timeline_change(struct timeline *t, const uint8_t state[TIMELINE_SLOTS], const uint16_t *row)
{
	memcpy(t->state, state, sizeof(t->state));
	timeline_rows(t, row);
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

static struct sl_flow_key key_of(const struct timeline *t, struct client client)
{
	return (struct sl_flow_key){.src = host_address(t, (uint16_t)(client.host + 1)),
				    .dst = host_address(t, 0),
				    .sport = htons(client.port),
				    .dport = htons(services[client.service].port),
				    .proto = services[client.service].proto};
}

uint32_t timeline_row(const struct timeline *t, struct client client)
{
	const struct sl_flow_key key = key_of(t, client);

	return sl_row_of(sl_row_hash(&t->history.key, &key, client.service == AFFINITY), t->history.rows);
}

uint16_t timeline_at(struct timeline *t, unsigned int worker, struct client client, enum client_packet packet)
{
	const struct sl_flow_key key = key_of(t, client);
	uint8_t frame[CLIENT_FRAME_MAX];
	struct sl_plan plan;
	struct sl_packet pkt = {.data = frame, .plan = &plan, .flags = SL_PKT_IP_CSUM_OK};
	enum sl_verdict verdict;

	pkt.frame_len = client_frame(frame, &key, packet);
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

uint16_t timeline_goes(struct timeline *t, struct client client, enum client_packet packet)
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

bool timeline_pressure(const struct timeline *t)
{
	for (unsigned int i = 0; i < t->workers; i++)
		if (flow_table_pressure(t->env[i].flows))
			return true;
	return flow_keeper_pressure(t->keeper);
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
	bool pressure;

	t->now_ms += 1000;
	timeline_soon(t);
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

static void make_file(const struct timeline *t)
{
	static const struct sl_boot boot;
	struct flow_file_want want = {.flows = TIMELINE_FLOWS,
				      .flow_key = flow_key,
				      .numbering = NUMBERING,
				      .now_s = timeline_now_s(t),
				      .wall_ns = 5,
				      .life_s = sl_flow_life_s(TIMELINE_TCP_S),
				      .boot = &boot};
	struct flow_file_report report;
	struct flow_file *file = NULL;
	char reterr[300] = "";

	sl_boot_id(want.boot_id);
	if (flow_file_open(t->dir, &want, &file, &report, reterr, sizeof(reterr)) != 0)
		fail_msg("%s", reterr);
	flow_file_close(file);
}

static void start_workers(struct timeline *t, unsigned int workers)
{
	const struct flow_keeper_config config = {&dp_allocator_malloc, t->dir, t->dir_fd, (uid_t)-1,
						  workers};

	assert_int_equal(flow_keeper_create(&config, timeline_now_s(t), &t->keeper), 0);
	t->workers = workers;
	for (unsigned int i = 0; i < workers; i++)
		t->env[i] = (struct sl_env){.ports = &t->port,
					    .port_count = 1,
					    .stats = &t->stats[i],
					    .flows = flow_keeper_table(t->keeper, i),
					    .exports = flow_keeper_ring(t->keeper, i)};
	use(t, t->snapshot != NULL ? t->snapshot : &snapshot_empty);
}

void timeline_restart(struct timeline *t, unsigned int workers)
{
	flow_keeper_destroy(t->keeper);
	start_workers(t, workers);
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
	log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	strcpy(t->dir, "/tmp/sluice-timeline-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	t->dir_fd = open(t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	make_file(t);
	start_workers(t, TIMELINE_WORKERS);
	publish(t);
	return t;
}

void timeline_end(struct timeline *t)
{
	flow_keeper_destroy(t->keeper);
	unlinkat(t->dir_fd, SL_FLOWS_FILE, 0);
	close(t->dir_fd);
	rmdir(t->dir);
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
