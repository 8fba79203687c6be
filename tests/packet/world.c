/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration that every packet case runs in, as one table of situations. world.py is its twin on
 * the independent side: a difference between the two fails cases.
 */
#include "tests/packet/world.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

static struct sl_addr address(const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;
	struct sl_addr addr = { 0 };

	if (inet_pton(AF_INET, text, &v4) == 1)
		return sl_addr_from_v4(v4.s_addr);
	if (inet_pton(AF_INET6, text, &v6) == 1)
		memcpy(&addr, &v6, sizeof(addr));
	return addr;
}

static const struct {
	const char *addr;
	__u8 otherwise;
} vips[] = {
	{ "192.0.2.10", SL_OTHERWISE_DROP },    { "2001:db8::10", SL_OTHERWISE_DROP },
	{ "192.0.2.11", SL_OTHERWISE_REJECT },  { "2001:db8::11", SL_OTHERWISE_REJECT },
	{ "192.0.2.12", SL_OTHERWISE_KERNEL },  { "2001:db8::12", SL_OTHERWISE_KERNEL },
	{ "192.0.2.13", SL_OTHERWISE_DROP },    { "2001:db8::13", SL_OTHERWISE_DROP }, /* all TCP ports: service 0 */
};

static const struct sl_port ports[] = {
	{ .mac = { 2, 0, 0, 0, 0, 0xa0 }, .mtu = 1500, .index = 0, .kernel_path = 1 },
	{ .mac = { 2, 0, 0, 0, 0, 0xa1 }, .mtu = 9000, .index = 1, .kernel_path = 0 },
	{ .mac = { 2, 0, 0, 0, 0, 0xa2 }, .mtu = 0, .index = 2, .kernel_path = 1 },
};

static const struct sl_neighbor neighbors[] = {
	{ .id = 0, .port = 0, .mtu = 1500, .mac = { 2, 0, 0, 0, 0xb, 0 }, .known = 1 },
	{ .id = 1, .port = 1, .mtu = 9000, .mac = { 2, 0, 0, 0, 0xb, 1 }, .known = 1 },
	{ .id = 2, .port = 0, .mtu = 1500, .mac = { 0 }, .known = 0 },
	{ .id = 3, .port = 9, .mtu = 1500, .mac = { 2, 0, 0, 0, 0xb, 3 }, .known = 1 }, /* no such port */
	{ .id = 4, .port = 0, .mtu = 0, .mac = { 2, 0, 0, 0, 0xb, 4 }, .known = 1 },    /* the port's MTU */
	{ .id = 5, .port = 2, .mtu = 0, .mac = { 2, 0, 0, 0, 0xb, 5 }, .known = 1 },    /* no limit known */
	{ .id = 6, .port = 1, .mtu = 1400, .mac = { 2, 0, 0, 0, 0xb, 6 }, .known = 1 },
	{ .id = 7, .port = 0, .mtu = 60, .mac = { 2, 0, 0, 0, 0xb, 7 }, .known = 1 },
};

/* One service with its own pool of one backend, unless `shape` says otherwise. */
enum shape { ONE, EMPTY, MEMORY, FOUR, NO_POOL, NO_ROWS, NO_BACKEND };


static const struct situation {
	enum shape shape;
	__u8 mode, otherwise, state, tracking, hash, look, udp_flows;
	__u8 neighbor;
	const char *addr, *outer_src;
} situations[] = {
	/*  80 */ { .state = SL_BACKEND_UP },
	/*  81 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .addr = "10.0.0.1", .outer_src = "10.0.0.254" },
	/*  82 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .addr = "2001:db8:b::1",
		    .outer_src = "2001:db8:b::fe" },
	/*  83 */ { .shape = EMPTY, .otherwise = SL_OTHERWISE_REJECT },
	/*  84 */ { .shape = EMPTY, .otherwise = SL_OTHERWISE_DROP },
	/*  85 */ { .state = SL_BACKEND_UP, .neighbor = 2 },
	/*  86 */ { .state = SL_BACKEND_UP, .neighbor = 3 },
	/*  87 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .addr = "10.0.0.2" },
	/*  88 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .addr = "10.0.0.3", .outer_src = "2001:db8:b::fd" },
	/*  89 */ { .state = SL_BACKEND_DRAINING, .otherwise = SL_OTHERWISE_REJECT },
	/*  90 */ { .shape = MEMORY, .tracking = SL_TRACKING_ALWAYS },
	/*  91 */ { .shape = MEMORY, .look = 1 },
	/*  92 */ { .shape = MEMORY, .look = 1, .tracking = SL_TRACKING_NEVER },
	/*  93 */ { .shape = NO_POOL },
	/*  94 */ { .state = SL_BACKEND_UP, .neighbor = 4 },
	/*  95 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .neighbor = 5, .addr = "10.0.0.1",
		    .outer_src = "10.0.0.254" },
	/*  96 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .neighbor = 6, .addr = "10.0.0.1",
		    .outer_src = "10.0.0.254" },
	/*  97 */ { .shape = FOUR, .hash = SL_HASH_SOURCE },
	/*  98 */ { .shape = FOUR, .hash = SL_HASH_5TUPLE },
	/*  99 */ { .shape = NO_BACKEND },
	/* 100 */ { .shape = NO_ROWS },
	/* 101 */ { .state = SL_BACKEND_UP, .neighbor = 1 },
	/* 102 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .neighbor = 5, .addr = "2001:db8:b::1",
		    .outer_src = "2001:db8:b::fe" },
	/* 103 */ { .state = SL_BACKEND_DOWN, .otherwise = SL_OTHERWISE_REJECT },
	/* 104 */ { .state = SL_BACKEND_LINGERING },
	/* 105 */ { .shape = MEMORY },
	/* 106 */ { .mode = SL_MODE_IPIP, .state = SL_BACKEND_UP, .addr = "2001:db8:b::4", .outer_src = "10.0.0.254" },
	/* 107 */ { .shape = MEMORY, .look = 1, .udp_flows = SL_UDP_FLOWS_QUIC },
	/* 108 */ { .shape = MEMORY, .look = 1, .udp_flows = SL_UDP_FLOWS_NONE },
	/* 109 */ { .shape = MEMORY, .look = 1, .tracking = SL_TRACKING_ALWAYS },
	/* 110 */ { .shape = MEMORY, .look = 1, .tracking = SL_TRACKING_ALWAYS, .udp_flows = SL_UDP_FLOWS_QUIC },
	/* 111 */ { .shape = MEMORY, .look = 1, .hash = SL_HASH_SOURCE },
	/* 112 */ { .state = SL_BACKEND_UP, .neighbor = 7 },
};

static void add_backend(struct sl_env *env, __u32 pool, __u16 slot, __u8 state, __u32 neighbor)
{
	struct sl_backend *backend = &env->backend[env->backends];

	*backend = (struct sl_backend){ .pool = pool, .slot = slot, .state = state, .neighbor = neighbor,
					.stats = env->backends };
	env->backends++;
}

/* The pool of situation `id`: seven rows. */
static void add_pool(struct sl_env *env, __u32 id, const struct situation *s)
{
	static const __u8 remembered[] = { SL_BACKEND_UP, SL_BACKEND_DRAINING, SL_BACKEND_LINGERING,
					   SL_BACKEND_DOWN, SL_BACKEND_UP, SL_BACKEND_GONE };
	static const __u16 four[] = { 0, 1, 2, 3, 2, 1, 0 };
	static const __u32 four_neighbor[] = { 0, 1, 4, 6 };

	env->pool[id] = (struct sl_pool){ .id = id, .rows = s->shape == NO_ROWS ? 0 : 7, .otherwise = s->otherwise };
	for (int i = 0; i < 7; i++)
		env->row[id][i] = (__u16)((s->shape == EMPTY ? SL_SLOT_NONE : s->shape == FOUR ? four[i] : 0) |
					  (s->look ? SL_ROW_LOOK : 0));
	switch (s->shape) {
	case ONE:
	case NO_ROWS:
		add_backend(env, id, 0, s->state, s->neighbor);
		env->backend[env->backends - 1].addr = address(s->addr ? s->addr : "::");
		env->backend[env->backends - 1].outer_src = address(s->outer_src ? s->outer_src : "::");
		break;
	case MEMORY: /* slot 0 on port 0, the remembered ones on port 1 */
		for (__u16 i = 0; i < sizeof(remembered); i++)
			add_backend(env, id, i, remembered[i], i ? 1 : 0);
		break;
	case FOUR:
		for (__u16 i = 0; i < 4; i++)
			add_backend(env, id, i, SL_BACKEND_UP, four_neighbor[i]);
		break;
	case EMPTY:
	case NO_POOL:
	case NO_BACKEND: break;
	}
}

static void add_listeners(struct sl_env *env, const char *vip, __u16 port, __u32 service, int udp)
{
	env->listener[env->listeners++] = (struct sl_listener){
		.addr = address(vip), .port = htons(port), .proto = 6, .service = service };
	if (udp)
		env->listener[env->listeners++] = (struct sl_listener){
			.addr = address(vip), .port = htons(port), .proto = 17, .service = service };
}

void world_init(struct sl_env *env)
{
	env->settings.hash_key = (struct sl_key){ 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	env->settings.flow_key = (struct sl_key){ 0x1716151413121110, 0x1f1e1d1c1b1a1918 };
	env->vips = env->listeners = env->services = env->pools = env->backends = 0;
	for (size_t i = 0; i < sizeof(vips) / sizeof(*vips); i++)
		env->vip[env->vips++] = (struct sl_vip){ .addr = address(vips[i].addr), .otherwise = vips[i].otherwise };
	memcpy(env->port, ports, sizeof(ports));
	env->ports = sizeof(ports) / sizeof(*ports);
	memcpy(env->neighbor, neighbors, sizeof(neighbors));
	env->neighbors = sizeof(neighbors) / sizeof(*neighbors);
	for (__u32 i = 0; i < sizeof(situations) / sizeof(*situations); i++) {
		const struct situation *s = &situations[i];

		env->service[i] = (struct sl_service){ .id = i, .pool = s->shape == NO_POOL ? 63 : i,
						       .mode = s->mode, .hash = s->hash, .tracking = s->tracking,
						       .udp_flows = s->udp_flows };
		add_pool(env, i, s);
		add_listeners(env, "192.0.2.10", (__u16)(80 + i), i, 1);
		add_listeners(env, "2001:db8::10", (__u16)(80 + i), i, 1);
		env->services = env->pools = i + 1;
	}
	add_listeners(env, "192.0.2.13", 0, 0, 0);
	add_listeners(env, "2001:db8::13", 0, 0, 0);
	assert(env->listeners <= ENV_LISTENERS_MAX && env->backends <= ENV_BACKENDS_MAX && env->services <= ENV_MAX);
}
