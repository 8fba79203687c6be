/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Follows routes and neighbours for a set of addresses. Route changes are gathered for a moment and
 * then looked up in slices, so that a full table exchanged by BGP costs one pass and never holds the
 * loop; the kernel resolves, this only asks it to and listens.
 */
#include "neighbor.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "next_hop.h"

enum {
	GATHER_MS = 50, /* route changes come in bursts */
	SLICE = 1000,   /* lookups in one turn of the loop: about 5 ms */
	TICK_MS = 1000,
	ASK_UNKNOWN_MS = 1000, /* the kernel gives up after three tries in three seconds */
	ASK_KNOWN_MS = 5000,   /* where it does not keep neighbours by itself */
	ASKS_PER_TICK = 500,
	MTU_DEFAULT = 1500,
};

struct target {
	struct neighbor_path path;
	struct next_hop *hop;
	struct next_hop *pending; /* where it will go once its MAC is known; the old one is used till then */
};

struct neighbor {
	struct netlink *nl;
	const struct links *links;
	struct neighbor_events events;
	struct netlink_listener netlink;
	struct next_hops *hops;
	struct target *targets; /* ascending by address */
	size_t target_count;
	size_t pending_count;
	struct neighbor_port *ports;
	size_t port_count;
	size_t relook_at; /* targets before it are looked up; target_count: all */
	uint32_t ask_at;  /* id at which the next tick goes on */
	unsigned int open_handles;
	uv_timer_t relook;
	uv_timer_t tick;
};

/* ---- next hops ---------------------------------------------------------------------------------- */

static void ask(struct neighbor *n, struct next_hop *hop)
{
	hop->asked_ms = uv_now(uv_handle_get_loop((uv_handle_t *)&n->tick));
	netlink_neighbor_use(n->nl, hop->ifindex, &hop->address,
			     true); /* fails while the link is down: asked again */
}

static bool is_static(uint16_t state)
{
	return state & (NUD_PERMANENT | NUD_NOARP);
}

static struct next_hop *get_hop(struct neighbor *n, const struct netlink_route *route, uint16_t mtu,
				uint16_t port)
{
	struct netlink_neighbor found;
	struct next_hop *hop;
	bool new;

	hop = next_hop_get(n->hops, &route->next_hop, route->ifindex, mtu, port, &new);
	if (!hop || !new)
		return hop;
	if (netlink_neighbor_get(n->nl, route->ifindex, &route->next_hop, &found) == 0)
		next_hop_learn(hop, found.state, found.managed, found.has_mac ? found.mac : NULL);
	if (!is_static(hop->state)) /* asking would make an operator's static entry an ordinary one */
		ask(n, hop);
	n->events.hop(n->events.ctx, &hop->record);
	return hop;
}

static void put_hop(struct neighbor *n, struct next_hop *hop)
{
	const uint32_t id = hop->record.id;
	const struct sl_addr address = hop->address;
	const int ifindex = hop->ifindex;
	const bool managed = hop->managed;

	if (!next_hop_put(n->hops, hop))
		return;
	if (managed && !next_hop_find(n->hops, &address, ifindex, NULL))
		netlink_neighbor_use(n->nl, ifindex, &address, false);
	n->events.hop_gone(n->events.ctx, id);
}

/* ---- paths -------------------------------------------------------------------------------------- */

static const struct neighbor_port *port_of(const struct neighbor *n, const char *ifname)
{
	size_t i;

	for (i = 0; i < n->port_count; i++)
		if (strcmp(n->ports[i].ifname, ifname) == 0)
			return &n->ports[i];
	return NULL;
}

/* Why a route that was found cannot be used; false: it can. */
static bool is_unusable(const struct netlink_route *route, const struct link *link,
			const struct neighbor_port *port, char *reason, size_t size)
{
	if (route->type == RTN_LOCAL)
		snprintf(reason, size, "is an address of this machine");
	else if (route->type != RTN_UNICAST)
		snprintf(reason, size, "its route is no unicast route (type %u); see: ip route get",
			 route->type);
	else if (!link)
		snprintf(reason, size, "its route leaves by interface %d, which is gone", route->ifindex);
	else if (!port)
		snprintf(reason, size, "its route leaves by %s, which is not among interfaces:", link->name);
	else
		return false;
	return true;
}

/* Finds the way as the kernel would. NULL: *path keeps what it had and says why. */
static struct next_hop *find_way(struct neighbor *n, struct neighbor_path *path)
{
	struct netlink_route route;
	const struct neighbor_port *port;
	const struct link *link;
	struct next_hop *hop;
	uint32_t mtu;
	int err;

	memset(path->reason, 0, sizeof(path->reason));
	err = netlink_route_get(n->nl, &path->address, &route);
	if (err < 0) {
		snprintf(path->reason, sizeof(path->reason), "no route: %s", strerror(-err));
		return NULL;
	}
	link = link_by_index(n->links, route.ifindex);
	port = link ? port_of(n, link->name) : NULL;
	if (is_unusable(&route, link, port, path->reason, sizeof(path->reason)))
		return NULL;
	mtu = route.mtu && route.mtu < link->mtu ? route.mtu : link->mtu;
	hop = get_hop(n, &route, mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu, port->port);
	if (!hop) {
		snprintf(path->reason, sizeof(path->reason), "no room for its next hop");
		return NULL;
	}
	path->source = route.source;
	path->on_link = route.on_link;
	memset(path->ifname, 0, sizeof(path->ifname));
	memcpy(path->ifname, link->name, strnlen(link->name, sizeof(path->ifname) - 1));
	return hop;
}

static void drop_pending(struct neighbor *n, struct target *target)
{
	if (!target->pending)
		return;
	put_hop(n, target->pending);
	target->pending = NULL;
	n->pending_count--;
}

/* The path leaves by `hop` from now on; takes over its reference. */
static void move_to(struct neighbor *n, struct target *target, struct next_hop *hop,
		    const struct neighbor_path *path)
{
	struct next_hop *left = target->hop;

	target->hop = hop;
	target->path = *path;
	target->path.neighbor = hop->record.id;
	n->events.path(n->events.ctx, &target->path);
	if (left)
		put_hop(n, left);
}

static void look_up(struct neighbor *n, struct target *target)
{
	struct neighbor_path path = target->path;
	struct next_hop *hop = find_way(n, &path);

	drop_pending(n, target);
	if (!hop) {
		if (strcmp(path.reason, target->path.reason) == 0)
			return;
		target->path = path; /* the last way stays: whether it still leads there, checks will tell */
		n->events.path(n->events.ctx, &target->path);
		return;
	}
	if (hop == target->hop) {
		put_hop(n, hop);
		path.neighbor = hop->record.id;
		if (memcmp(&path, &target->path, sizeof(path)) == 0)
			return;
		target->path = path;
		n->events.path(n->events.ctx, &target->path);
		return;
	}
	if (target->hop && target->hop->record.known && !hop->record.known) {
		target->pending = hop;
		n->pending_count++;
		return;
	}
	move_to(n, target, hop, &path);
}

/* Those who waited for a MAC that is known now look again and find it so. */
static void promote(struct neighbor *n)
{
	size_t i;

	for (i = 0; i < n->target_count && n->pending_count > 0; i++)
		if (n->targets[i].pending && n->targets[i].pending->record.known)
			look_up(n, &n->targets[i]);
}

/* ---- events ------------------------------------------------------------------------------------- */

static void on_neighbor(void *ctx, const struct netlink_neighbor *message)
{
	struct neighbor *n = ctx;
	struct next_hop *hop = NULL;
	const uint8_t *mac = message->has_mac && !message->gone ? message->mac : NULL;
	bool learned = false;

	while ((hop = next_hop_find(n->hops, &message->address, message->ifindex, hop)) != NULL) {
		if (message->gone)
			hop->asked_ms = 0; /* the kernel forgot it: ask at the next tick */
		if (!next_hop_learn(hop, message->gone ? NUD_NONE : message->state,
				    message->managed && !message->gone, mac))
			continue;
		n->events.hop(n->events.ctx, &hop->record);
		learned = true;
	}
	if (learned)
		promote(n);
}

static void on_relook(uv_timer_t *timer)
{
	struct neighbor *n = timer->data;
	size_t i;

	for (i = 0; i < SLICE && n->relook_at < n->target_count; i++)
		look_up(n, &n->targets[n->relook_at++]);
	if (n->relook_at < n->target_count)
		uv_timer_start(timer, on_relook, 1, 0);
}

static void relook_soon(void *ctx)
{
	struct neighbor *n = ctx;

	n->relook_at = 0;
	if (!uv_is_active((uv_handle_t *)&n->relook))
		uv_timer_start(&n->relook, on_relook, GATHER_MS, 0);
}

static void on_link(void *ctx, const struct netlink_link *message)
{
	(void)message;
	relook_soon(ctx);
}

static void on_address(void *ctx, const struct netlink_address *message)
{
	(void)message;
	relook_soon(ctx);
}

static void on_resync(void *ctx)
{
	struct neighbor *n = ctx;
	uint32_t id;
	struct next_hop *hop;

	for (id = 0; id < next_hops_end(n->hops); id++) {
		hop = next_hop_by_id(n->hops, id);
		if (hop)
			hop->state = NUD_NONE; /* what the dump does not show is asked for again */
	}
	netlink_dump(n->nl, NETLINK_DUMP_NEIGHBORS);
	relook_soon(n);
}

static bool is_due(const struct next_hop *hop, uint64_t now_ms)
{
	if (is_static(hop->state) || hop->state & (NUD_REACHABLE | NUD_DELAY | NUD_PROBE))
		return false;
	if (hop->managed && hop->record.known)
		return false;
	return now_ms - hop->asked_ms >= (hop->record.known ? ASK_KNOWN_MS : ASK_UNKNOWN_MS);
}

static void on_tick(uv_timer_t *timer)
{
	struct neighbor *n = timer->data;
	const uint64_t now_ms = uv_now(timer->loop);
	const uint32_t end = next_hops_end(n->hops);
	unsigned int asked = 0;
	struct next_hop *hop;
	uint32_t seen;

	for (seen = 0; seen < end && asked < ASKS_PER_TICK; seen++, n->ask_at++) {
		if (n->ask_at >= end)
			n->ask_at = 0;
		hop = next_hop_by_id(n->hops, n->ask_at);
		if (hop && is_due(hop, now_ms)) {
			ask(n, hop);
			asked++;
		}
	}
}

/* ---- the set ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_addr));
}

static void let_go(struct neighbor *n, struct target *target)
{
	drop_pending(n, target);
	if (target->hop)
		put_hop(n, target->hop);
}

int neighbor_set(struct neighbor *n, const struct sl_addr *addresses, size_t count)
{
	struct sl_addr *wanted = malloc((count ? count : 1) * sizeof(*wanted));
	struct target *old = n->targets, *new = calloc(count ? count : 1, sizeof(*new));
	const size_t old_count = n->target_count;
	size_t i, at = 0, kept = 0;
	int order = 1;

	if (!wanted || !new) {
		free(wanted);
		free(new);
		return -ENOMEM;
	}
	if (count > 0)
		memcpy(wanted, addresses, count * sizeof(*wanted));
	qsort(wanted, count, sizeof(*wanted), compare);
	n->targets = new;
	n->target_count = 0;
	for (i = 0; i < count; i++) {
		if (kept > 0 && compare(&wanted[i], &new[kept - 1].path.address) == 0)
			continue;
		while (at < old_count && (order = compare(&old[at].path.address, &wanted[i])) < 0)
			at++;
		if (at < old_count && order == 0) {
			new[kept++] = old[at];
			memset(&old[at++], 0, sizeof(*old)); /* nothing to let go */
		} else {
			new[kept++].path.address = wanted[i];
		}
	}
	n->target_count = kept;
	for (i = 0; i < kept; i++)
		if (!new[i].hop)
			look_up(n, &new[i]);
	for (i = 0; i < old_count; i++) /* last, so that an id is not given again at once */
		let_go(n, &old[i]);
	if (n->relook_at < old_count)
		n->relook_at = 0; /* positions changed under a pass that was not done */
	else
		n->relook_at = kept;
	free(wanted);
	free(old);
	return 0;
}

const struct neighbor_path *neighbor_path(const struct neighbor *n, const struct sl_addr *address)
{
	/* path.address is a target's first member */
	const struct target *target =
		n->target_count ? bsearch(address, n->targets, n->target_count, sizeof(*target), compare)
				: NULL;

	return target ? &target->path : NULL;
}

int neighbor_ports(struct neighbor *n, const struct neighbor_port *ports, size_t count)
{
	struct neighbor_port *copy = calloc(count ? count : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (count > 0)
		memcpy(copy, ports, count * sizeof(*copy));
	free(n->ports);
	n->ports = copy;
	n->port_count = count;
	relook_soon(n);
	return 0;
}

/* ---- lifetime ----------------------------------------------------------------------------------- */

int neighbor_create(struct netlink *nl, const struct links *links, uv_loop_t *loop,
		    const struct neighbor_events *events, struct neighbor **ret_neighbor,
		    struct error_text *reterr)
{
	const struct sl_neighbor nowhere = {.id = NEIGHBOR_NOWHERE, .mtu = MTU_DEFAULT};
	struct neighbor *n = calloc(1, sizeof(*n));

	if (!n || next_hops_create(&n->hops) < 0) {
		free(n);
		return error_text_set(reterr, -ENOMEM, "no memory for neighbours");
	}
	n->nl = nl;
	n->links = links;
	n->events = *events;
	uv_timer_init(loop, &n->relook);
	uv_timer_init(loop, &n->tick);
	n->relook.data = n;
	n->tick.data = n;
	n->open_handles = 2;
	uv_timer_start(&n->tick, on_tick, TICK_MS, TICK_MS);
	n->netlink = (struct netlink_listener){
		.ctx = n,
		.link = on_link,
		.address = on_address,
		.neighbor = on_neighbor,
		.route = relook_soon,
		.resync = on_resync,
	};
	netlink_listen(nl, &n->netlink);
	n->events.hop(n->events.ctx, &nowhere);
	*ret_neighbor = n;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct neighbor *n = handle->data;

	if (--n->open_handles > 0)
		return;
	free(n->targets);
	free(n->ports);
	next_hops_destroy(n->hops);
	free(n);
}

void neighbor_destroy(struct neighbor *n)
{
	struct next_hop *hop;
	uint32_t id;

	if (!n)
		return;
	netlink_unlisten(n->nl, &n->netlink);
	for (id = 0; id < next_hops_end(n->hops); id++) {
		hop = next_hop_by_id(n->hops, id);
		if (hop && hop->managed)
			netlink_neighbor_use(n->nl, hop->ifindex, &hop->address, false);
	}
	uv_close((uv_handle_t *)&n->relook, on_closed);
	uv_close((uv_handle_t *)&n->tick, on_closed);
}
