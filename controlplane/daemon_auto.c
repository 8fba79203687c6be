/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath: auto. A live sluice-dp forwards; when its lock or heartbeat goes, the XDP program does, with the connections
 * of flows.shm; after half a minute of steady heartbeat, or at once when a person says so, sluice-dp does again, with
 * those of the program's map. Between the two packets to VIPs are dropped for the moment that the last connections take:
 * a retransmission, no reset.
 *
 *   WAITING   nobody was chosen yet: sluice-dp has dpdk: attach-timeout to come
 *   DPDK      the program redirects
 *   XDP       the program forwards
 *   CARRYING  it still does; its connections go into the ring, then those of the time that took, while it holds
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "flow_file.h"
#include "publish_bpf.h"

enum {
	AUTO_TICK_MS = 50,
	AUTO_CARRY_MS = 2,      /* between two steps of carrying */
	AUTO_SILENT_MS = 1000,  /* a heartbeat older than this is none (it beats ten times a second) */
	AUTO_STEADY_MS = 30000, /* how long a sluice-dp that is back must beat before it forwards */
	AUTO_HOLD_MS = 1000,    /* packets are not held longer than this, whatever is still on its way */
	AUTO_BATCH = 256,
	AUTO_BUCKETS = 16384,   /* of flows.shm in one step */
};

enum auto_state { AUTO_WAITING = 0, AUTO_DPDK, AUTO_XDP, AUTO_CARRYING };

/* A walk over one of the program's maps. */
struct walk {
	uint64_t at;
	bool begun, ended;
};

struct daemon_auto {
	enum auto_state state;
	uv_timer_t timer;
	uint64_t alive_since_ms; /* uv_now; 0: it is not */
	struct walk flows, starts;
	struct walk old_flows, old_starts; /* of maps whose connections sluice-dp knows better by now */
	uint64_t bucket; /* of flows.shm, the next to be compared */
	bool holding;
	bool asked; /* a person does not want to wait until it is steady */
	uint64_t carried, since_s, held_ms;
	char why[160];
};

static bool is_alive(const struct daemon *d)
{
	const uint64_t beat_ns = __atomic_load_n(&shm_file_live(d->shm)->data_beat_ns, __ATOMIC_RELAXED);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return d->attached && daemon_data_pid(d) != 0 &&
	       (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec < beat_ns + AUTO_SILENT_MS * 1000000ull;
}

static void act(struct daemon *d, enum sl_xdp_action action)
{
	xdp_tables_act(publish_bpf_tables(daemon_xdp_publisher(d)), action);
}

static void enter(struct daemon *d, enum auto_state state, const char *why)
{
	struct daemon_auto *a = d->automatic;

	a->state = state;
	snprintf(a->why, sizeof(a->why), "auto: %s", why);
	log_info(&d->log, state == AUTO_DPDK ? "sluice-dp forwards" : "the XDP program forwards", LOG_STR("cause", why),
		 LOG_U64("connections", a->carried));
	a->carried = 0;
	daemon_forwarder_changed(d);
}

/* ---- flows.shm → the map -------------------------------------------------------------------------------- */

static void take_flow(struct daemon *d, const struct xdp_maps *maps, const struct sl_flow_bucket *hot,
		      const struct sl_flow_home *home, int way)
{
	struct sl_xdp_live *live = xdp_maps_at(maps, XDP_MAP_LIVE, 0);
	const uint64_t tag = __atomic_load_n(&hot->tag[way], __ATOMIC_ACQUIRE);
	const struct sl_xdp_flow flow = { .tag = tag, .pool = home->pool[way], .row = home->row[way], .slot = hot->slot[way],
					  .seen_s = hot->seen_s[way], .born_s = home->born_s[way],
					  .kind = hot->kinds >> (2 * way) & 3, .flags = SL_XDP_FLOW_START };

	if (tag == 0 || (flow.slot & SL_ROW_SLOT) == SL_SLOT_NONE || flow.kind >= SL_FLOW_KIND_COUNT)
		return;
	if (bpf_map_update_elem(maps->map[XDP_MAP_FLOWS].fd, &tag, &flow, BPF_NOEXIST) == 0)
		__atomic_fetch_add(&live->used, 1, __ATOMIC_RELAXED);
	else /* of an earlier time that the program forwarded: the file knows better */
		bpf_map_update_elem(maps->map[XDP_MAP_FLOWS].fd, &tag, &flow, BPF_EXIST);
	d->automatic->carried++;
}

/* One step; true: there is more. */
static bool drop_step(struct daemon *d, struct walk *walk, enum xdp_map_id id)
{
	struct sl_xdp_flow flows[AUTO_BATCH];
	uint64_t tags[AUTO_BATCH], next = 0;
	__u32 count = AUTO_BATCH;

	if (walk->ended)
		return false;
	walk->ended = bpf_map_lookup_and_delete_batch(steering_maps(d->steering)->map[id].fd, walk->begun ? &walk->at : NULL,
						      &next, tags, flows, &count, NULL) < 0;
	walk->at = next;
	walk->begun = true;
	return !walk->ended;
}

/*
 * While sluice-dp forwards the maps grow old: it forgets connections whose ports began another one. So the maps are
 * emptied meanwhile, and what flows.shm says is all they know. True: there is more.
 */
static bool drop_old(struct daemon *d, int steps)
{
	struct daemon_auto *a = d->automatic;
	struct sl_xdp_live *live = xdp_maps_at(steering_maps(d->steering), XDP_MAP_LIVE, 0);

	if (a->old_flows.ended && a->old_starts.ended)
		return false;
	while (steps-- > 0 && (drop_step(d, &a->old_flows, XDP_MAP_FLOWS) || drop_step(d, &a->old_starts, XDP_MAP_STARTS)))
		;
	if (!a->old_flows.ended || !a->old_starts.ended)
		return true;
	__atomic_store_n(&live->used, 0, __ATOMIC_RELAXED);
	return false;
}

static void take_file(struct daemon *d)
{
	const struct flow_file *file = daemon_flows_file(d);

	for (uint64_t i = 0; file && i < flow_file_header(file)->buckets; i++)
		for (int way = 0; way < SL_FLOW_WAYS; way++)
			take_flow(d, steering_maps(d->steering), &flow_file_buckets(file)[i], &flow_file_homes(file)[i], way);
}

static void to_xdp(struct daemon *d, const char *why)
{
	if (!daemon_xdp_is_ready(d))
		return; /* with the first generation */
	if (d->automatic->state != AUTO_CARRYING) {
		while (drop_old(d, 1))
			;
		take_file(d);
	}
	act(d, SL_XDP_FORWARD);
	enter(d, AUTO_XDP, why);
}

/* ---- the map → the ring --------------------------------------------------------------------------------- */

static void tell(struct daemon *d, const struct sl_xdp_flow *flow)
{
	const struct sl_flow_put put = { .tag = flow->tag, .pool = flow->pool, .row = flow->row,
					 .slot = flow->slot & SL_ROW_SLOT, .seen_s = flow->seen_s, .kind = flow->kind,
					 .closing = !!(flow->slot & SL_FLOW_CLOSING),
					 .start = flow->flags & SL_XDP_FLOW_START };

	if (d->automatic->holding && sl_flow_age_s((__u16)daemon_boottime_s(), flow->seen_s) >
	    daemon_boottime_s() - d->automatic->since_s + 2)
		return; /* told in the first round as it is */
	if (publish_ring_flow(d->publisher, &put))
		d->automatic->carried++;
}

/* One step; true: there is more, or the ring is full. */
static bool step(struct daemon *d, struct walk *walk, enum xdp_map_id id)
{
	struct sl_xdp_flow flows[AUTO_BATCH];
	uint64_t tags[AUTO_BATCH], next = 0;
	__u32 count = AUTO_BATCH;
	bool all;
	int err;

	if (walk->ended)
		return false;
	if (publish_ring_room(d->publisher, &all) < AUTO_BATCH)
		return true;
	err = bpf_map_lookup_batch(steering_maps(d->steering)->map[id].fd, walk->begun ? &walk->at : NULL, &next, tags, flows,
				   &count, NULL);
	for (__u32 i = 0; (err == 0 || err == -ENOENT) && i < count; i++)
		tell(d, &flows[i]);
	walk->at = next;
	walk->begun = true;
	walk->ended = err < 0;
	return !walk->ended;
}

static void forget(struct daemon *d, const struct sl_flow_bucket *hot, const struct sl_flow_home *home, int way)
{
	const struct xdp_maps *maps = steering_maps(d->steering);
	const uint64_t tag = __atomic_load_n(&hot->tag[way], __ATOMIC_ACQUIRE);
	const struct sl_flow_put put = { .tag = tag, .pool = home->pool[way], .row = home->row[way], .slot = SL_SLOT_NONE,
					 .seen_s = (__u16)daemon_boottime_s(), .kind = hot->kinds >> (2 * way) & 3 };
	struct sl_xdp_flow flow;

	if (tag == 0 || (hot->slot[way] & SL_ROW_SLOT) == SL_SLOT_NONE || put.kind >= SL_FLOW_KIND_COUNT)
		return;
	if (bpf_map_lookup_elem(maps->map[XDP_MAP_FLOWS].fd, &tag, &flow) == -ENOENT &&
	    bpf_map_lookup_elem(maps->map[XDP_MAP_STARTS].fd, &tag, &flow) == -ENOENT)
		publish_ring_flow(d->publisher, &put);
}

/*
 * What flows.shm has and the program, which began with all of it, has no more: the ports began another connection since,
 * in a row that needs no memory. One step; true: there is more, or the ring is full. A full map never had it all.
 */
static bool forget_step(struct daemon *d)
{
	const struct flow_file *file = daemon_flows_file(d);
	const struct sl_xdp_live *live = xdp_maps_at(steering_maps(d->steering), XDP_MAP_LIVE, 0);
	struct daemon_auto *a = d->automatic;
	const uint64_t buckets = file && !live->full ? flow_file_header(file)->buckets : 0;
	bool all;

	for (int i = 0; i < AUTO_BUCKETS && a->bucket < buckets; i++, a->bucket++) {
		if (publish_ring_room(d->publisher, &all) < SL_FLOW_WAYS)
			return true;
		for (int way = 0; way < SL_FLOW_WAYS; way++)
			forget(d, &flow_file_buckets(file)[a->bucket], &flow_file_homes(file)[a->bucket], way);
	}
	return a->bucket < buckets;
}

static void begin(struct daemon *d, bool asked)
{
	struct daemon_auto *a = d->automatic;

	a->state = AUTO_CARRYING;
	a->asked = asked;
	a->flows = a->starts = (struct walk){ .begun = false };
	a->bucket = 0;
	a->holding = false;
	a->carried = 0;
	a->since_s = daemon_boottime_s();
}

static void carry(struct daemon *d)
{
	struct daemon_auto *a = d->automatic;
	bool all;

	if (forget_step(d) && !(a->holding && uv_now(&d->loop) - a->held_ms >= AUTO_HOLD_MS))
		return;
	for (int i = 0; i < 16 && step(d, &a->flows, XDP_MAP_FLOWS); i++)
		;
	if (!a->flows.ended)
		return;
	if (!a->holding) {
		act(d, SL_XDP_HOLD);
		a->holding = true;
		a->held_ms = uv_now(&d->loop);
		a->flows = (struct walk){ .begun = false };
		a->bucket = 0; /* once more, for the moment that took */
		return;
	}
	for (int i = 0; i < 16 && step(d, &a->starts, XDP_MAP_STARTS); i++)
		;
	if (!a->starts.ended)
		return;
	publish_ring_room(d->publisher, &all);
	if (!all && uv_now(&d->loop) - a->held_ms < AUTO_HOLD_MS)
		return;
	act(d, SL_XDP_REDIRECT);
	a->old_flows = a->old_starts = (struct walk){ .begun = false };
	enter(d, AUTO_DPDK, a->asked ? "sluice-dp is back, and a person asked for it" : "sluice-dp is back");
}

/* ---- deciding ------------------------------------------------------------------------------------------- */

static bool has_applied(const struct daemon *d)
{
	return d->ring_applied != 0 && d->ring_applied == d->model->generation;
}

static void decide(struct daemon *d)
{
	struct daemon_auto *a = d->automatic;
	const bool alive = is_alive(d), applied = has_applied(d);
	const uint64_t now_ms = uv_now(&d->loop);

	if (!alive)
		a->alive_since_ms = 0;
	else if (a->alive_since_ms == 0)
		a->alive_since_ms = now_ms ? now_ms : 1;
	switch (a->state) {
	case AUTO_WAITING:
		if (alive && applied) {
			act(d, SL_XDP_REDIRECT);
			enter(d, AUTO_DPDK, "sluice-dp is there");
		} else if (!alive && now_ms - d->started_ms >= d->config->attach_timeout_ms) {
			to_xdp(d, "no sluice-dp attached in time");
		}
		break;
	case AUTO_DPDK:
		if (!alive)
			to_xdp(d, "sluice-dp is gone or hangs");
		else
			drop_old(d, 16);
		break;
	case AUTO_XDP:
		if (alive && applied && now_ms - a->alive_since_ms >= AUTO_STEADY_MS)
			begin(d, false);
		break;
	case AUTO_CARRYING:
		if (!alive)
			to_xdp(d, "sluice-dp went again");
		else
			carry(d);
		break;
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	if (d->stopping || !daemon_xdp_publisher(d))
		return;
	decide(d);
	uv_timer_set_repeat(timer, d->automatic->state == AUTO_CARRYING ? AUTO_CARRY_MS : AUTO_TICK_MS);
}

int daemon_auto_to_dpdk(void *ctx, const char *who)
{
	struct daemon *d = ctx;

	if (!d->automatic)
		return -EINVAL;
	if (!is_alive(d))
		return -ENODEV;
	if (d->automatic->state == AUTO_DPDK)
		return 0;
	if (!has_applied(d))
		return -EAGAIN;
	if (d->automatic->state == AUTO_XDP) {
		log_info(&d->log, "sluice-dp shall forward at once", LOG_STR("who", who));
		begin(d, true);
	}
	return 1; /* the timer does the rest */
}

bool daemon_auto_is_xdp(const struct daemon *d)
{
	return d->automatic->state == AUTO_XDP || d->automatic->state == AUTO_CARRYING;
}

const char *daemon_auto_why(const struct daemon *d)
{
	return d->automatic->why;
}

int daemon_auto_start(struct daemon *d)
{
	const struct sl_xdp_root *root = xdp_maps_at(steering_maps(d->steering), XDP_MAP_ROOT, 0);
	int err;

	d->automatic = calloc(1, sizeof(*d->automatic));
	if (!d->automatic)
		return -ENOMEM;
	snprintf(d->automatic->why, sizeof(d->automatic->why), "auto: waiting for sluice-dp");
	if (root->action != SL_XDP_REDIRECT) { /* also in bigger maps, which have no generation yet */
		act(d, SL_XDP_FORWARD); /* a sluiced before us may have ended while it held packets */
		d->automatic->state = AUTO_XDP;
		snprintf(d->automatic->why, sizeof(d->automatic->why), "auto: the XDP program forwarded before this start");
	}
	err = uv_timer_init(&d->loop, &d->automatic->timer);
	d->automatic->timer.data = d;
	return err < 0 ? err : uv_timer_start(&d->automatic->timer, on_timer, AUTO_TICK_MS, AUTO_TICK_MS);
}

void daemon_auto_destroy(struct daemon *d)
{
	free(d->automatic);
}
