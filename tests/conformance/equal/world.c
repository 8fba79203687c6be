/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Draws configurations: small tables, so that changes move rows that packets use, and every setting that decides
 * about packets.
 */
#include "world.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const char *const modes[] = {"l2", "ipip"};
static const char *const hashes[] = {"5tuple", "5tuple", "source"};
static const char *const trackings[] = {"changed-rows", "changed-rows", "changed-rows", "always", "never"};
static const char *const udp_flows[] = {"sticky", "quic", "none"};
static const char *const no_services[] = {"drop", "reject", "kernel"};
static const unsigned int sizes[] = {11, 13, 31, 61, 127, 251};

struct sl_addr world_address(const char *text)
{
	struct sl_addr addr = {0};
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return sl_addr_from_v4(v4.s_addr);
	inet_pton(AF_INET6, text, &addr);
	return addr;
}

static void vip_text(unsigned int vip, char text[48])
{
	snprintf(text, 48, vip % 2 == 0 ? "192.0.2.%u" : "2001:db8::%u", 10 + vip);
}

struct sl_addr world_vip(unsigned int vip)
{
	char text[48];

	vip_text(vip, text);
	return world_address(text);
}

struct sl_addr world_outer_source(bool v6, unsigned int port)
{
	char text[48];

	snprintf(text, sizeof(text), v6 ? "fd00:%u::1" : "10.%u.0.1", 1 + port);
	return world_address(text);
}

/* ---- what is drawn -------------------------------------------------------------------------------------- */

static void draw_backend(struct dice *dice, const struct world *world, unsigned int pool, unsigned int at,
			 struct world_backend *backend)
{
	const unsigned int port = dice_below(dice, world->ports), host = 10 + pool * 16 + at;

	*backend = (struct world_backend){.there = true,
					  .weight = dice_percent(dice, 70) ? 1 : dice_below(dice, 5),
					  .backup = dice_percent(dice, 8)};
	if (dice_percent(dice, 10)) /* behind a gateway */
		snprintf(backend->address, sizeof(backend->address), dice_percent(dice, 50) ? "10.99.0.%u" : "fd00:99::%u", host);
	else
		snprintf(backend->address, sizeof(backend->address), dice_percent(dice, 60) ? "10.%u.0.%u" : "fd00:%u::%u",
			 1 + port, host);
}

static void draw_pool(struct dice *dice, const struct world *world, unsigned int at, struct world_pool *pool)
{
	const unsigned int count = 1 + dice_below(dice, WORLD_BACKENDS);

	memset(pool, 0, sizeof(*pool));
	pool->table_size = DICE_PICK(dice, sizes);
	pool->linger_s = dice_below(dice, 40);
	pool->slow_start_s = dice_percent(dice, 25) ? 1 + dice_below(dice, 60) : 0;
	pool->panic = dice_percent(dice, 20) ? 50 : 0;
	pool->idle_s[0] = 30 + dice_below(dice, 600);
	pool->idle_s[1] = 20 + dice_below(dice, 300);
	pool->idle_s[2] = world->kinds_change ? pool->idle_s[1] : 10 + dice_below(dice, 150);
	pool->checked = dice_percent(dice, 85);
	pool->resets = dice_percent(dice, 20);
	pool->drops = dice_percent(dice, 40);
	for (unsigned int b = 0; b < count; b++)
		draw_backend(dice, world, at, b, &pool->backend[b]);
	pool->backend[0].weight = 1;
	pool->backend[0].backup = false;
}

static bool is_taken(const struct world *world, unsigned int service, const struct world_listener *listener)
{
	for (unsigned int s = 0; s <= service; s++)
		for (unsigned int l = 0; l < world->service[s].listeners; l++) {
			const struct world_listener *other = &world->service[s].listener[l];

			if (other->vip == listener->vip && other->proto == listener->proto && other->port == listener->port)
				return true;
		}
	return false;
}

static void draw_service(struct dice *dice, struct world *world, unsigned int at)
{
	static const uint16_t ports[] = {53, 80, 443, 443, 8080, 0};
	struct world_service *service = &world->service[at];
	const unsigned int count = 1 + dice_below(dice, WORLD_LISTENERS);

	*service = (struct world_service){.pool = dice_below(dice, world->pools),
					  .mode = DICE_PICK(dice, modes),
					  .hash = DICE_PICK(dice, hashes),
					  .tracking = DICE_PICK(dice, trackings),
					  .udp_flows = DICE_PICK(dice, udp_flows)};
	for (unsigned int i = 0; i < count || service->listeners == 0; i++) {
		const struct world_listener listener = {.vip = (uint8_t)dice_below(dice, WORLD_VIPS),
							.proto = dice_percent(dice, 50) ? 6 : 17,
							.port = i < 20 ? DICE_PICK(dice, ports)
								       : (uint16_t)(1000 + dice_below(dice, 1000))};

		if (!is_taken(world, at, &listener))
			service->listener[service->listeners++] = listener;
		if (service->listeners == WORLD_LISTENERS)
			break;
	}
}

/* Next hops that are not like the others: narrow ones, and ones that nobody answered for. */
static void draw_neighbors(struct dice *dice, struct world *world)
{
	size_t at = 0;

	for (unsigned int p = 0; p < world->pools; p++)
		for (unsigned int b = 0; b < WORLD_BACKENDS; b++) {
			const struct world_backend *backend = &world->pool[p].backend[b];

			if (!backend->there || !dice_percent(dice, 8) || strstr(backend->address, "99") != NULL ||
			    at > sizeof(world->neighbors) - 100)
				continue;
			if (dice_percent(dice, 40))
				at += (size_t)snprintf(world->neighbors + at, sizeof(world->neighbors) - at,
						       "  - {address: \"%s\", mac: none}\n", backend->address);
			else
				at += (size_t)snprintf(world->neighbors + at, sizeof(world->neighbors) - at,
						       "  - {address: \"%s\", mtu: %u}\n", backend->address,
						       576 + dice_below(dice, 1400));
		}
}

void world_draw(struct dice *dice, struct world *world)
{
	static const unsigned int mtus[] = {1500, 1500, 1500, 1400, 9000, 1280, 600};

	memset(world, 0, sizeof(*world));
	world->ports = 1 + dice_below(dice, WORLD_PORTS);
	world->receive = dice_below(dice, world->ports);
	world->kinds_change = dice_percent(dice, 50);
	world->pools = 1 + dice_below(dice, WORLD_POOLS);
	world->services = 1 + dice_below(dice, WORLD_SERVICES);
	for (unsigned int v = 0; v < WORLD_VIPS; v++)
		world->no_service[v] = DICE_PICK(dice, no_services);
	for (unsigned int p = 0; p < world->ports; p++) {
		world->mtu[p] = DICE_PICK(dice, mtus);
		world->kernel_path[p] = dice_percent(dice, 80);
	}
	for (unsigned int p = 0; p < world->pools; p++)
		draw_pool(dice, world, p, &world->pool[p]);
	for (unsigned int s = 0; s < world->services; s++)
		draw_service(dice, world, s);
	draw_neighbors(dice, world);
}

/* ---- changes -------------------------------------------------------------------------------------------- */

static void change_backends(struct dice *dice, const struct world *world, unsigned int at, struct world_pool *pool)
{
	const unsigned int b = 1 + dice_below(dice, WORLD_BACKENDS - 1);
	struct world_backend *backend = &pool->backend[b];

	if (!backend->there && backend->address[0] == '\0')
		draw_backend(dice, world, at, b, backend);
	else if (dice_percent(dice, 50))
		backend->weight = dice_below(dice, 5);
	else
		backend->there = !backend->there;
}

/*
 * Never longer, not by another kind of UDP either: what expired and was not swept yet would live again, and when homes
 * sweep is their own business.
 */
static void shorten_idle(struct dice *dice, const struct world *world, struct world_pool *pool)
{
	const unsigned int kind = dice_below(dice, 3), other_s = 10 + dice_below(dice, 300);

	if (other_s >= pool->idle_s[kind])
		return;
	pool->idle_s[kind] = other_s;
	if (kind > 0 && world->kinds_change)
		pool->idle_s[1] = pool->idle_s[2] = other_s;
}

static void change_kind(struct dice *dice, const struct world *world, struct world_service *service)
{
	if (world->kinds_change)
		service->udp_flows = DICE_PICK(dice, udp_flows);
}

void world_change(struct dice *dice, struct world *world)
{
	const unsigned int p = dice_below(dice, world->pools);
	struct world_pool *pool = &world->pool[p];
	struct world_service *service = &world->service[dice_below(dice, world->services)];

	switch (dice_below(dice, 12)) {
	case 0: pool->table_size = DICE_PICK(dice, sizes); break;
	case 1: service->hash = DICE_PICK(dice, hashes); break;
	case 2: service->tracking = DICE_PICK(dice, trackings); break;
	case 3: change_kind(dice, world, service); break;
	case 4: service->mode = DICE_PICK(dice, modes); break;
	case 5: service->pool = dice_below(dice, world->pools); break;
	case 6: shorten_idle(dice, world, pool); break;
	default: change_backends(dice, world, p, pool); break;
	}
}

/* ---- text ----------------------------------------------------------------------------------------------- */

static void write_pool(FILE *out, const struct world_pool *pool, unsigned int at)
{
	fprintf(out, "  - name: p%u\n    table-size: %u\n    linger: %us\n    slow-start: %us\n    panic-threshold: %u%%\n"
		     "    on-down: %s\n    when-empty: %s\n    connection-idle: {tcp: %us, quic: %us, udp: %us}\n",
		at, pool->table_size, pool->linger_s, pool->slow_start_s, pool->panic, pool->resets ? "reset" : "linger",
		pool->drops ? "drop" : "reject", pool->idle_s[0], pool->idle_s[1], pool->idle_s[2]);
	if (pool->checked)
		fprintf(out, "    check: {type: tcp, port: %u}\n", 1000 + at);
	fprintf(out, "    backends:\n");
	for (unsigned int b = 0; b < WORLD_BACKENDS; b++)
		if (pool->backend[b].there)
			fprintf(out, "      - {name: p%ub%u, address: \"%s\", weight: %u%s}\n", at, b,
				pool->backend[b].address, pool->backend[b].weight,
				pool->backend[b].backup ? ", role: backup" : "");
}

static void write_service(FILE *out, const struct world_service *service, unsigned int at)
{
	fprintf(out, "  - name: s%u\n    pool: p%u\n    mode: %s\n    hash: %s\n    tracking: %s\n    udp-flows: %s\n    listen:\n",
		at, service->pool, service->mode, service->hash, service->tracking, service->udp_flows);
	for (unsigned int l = 0; l < service->listeners; l++) {
		const struct world_listener *listener = &service->listener[l];
		char address[48], port[8] = "*";

		vip_text(listener->vip, address);
		if (listener->port != 0)
			snprintf(port, sizeof(port), "%u", listener->port);
		fprintf(out, "      - \"%s %s%s%s:%s\"\n", listener->proto == 6 ? "tcp" : "udp",
			listener->vip % 2 == 1 ? "[" : "", address, listener->vip % 2 == 1 ? "]" : "", port);
	}
}

static bool vip_is_used(const struct world *world, unsigned int vip)
{
	for (unsigned int s = 0; s < world->services; s++)
		for (unsigned int l = 0; l < world->service[s].listeners; l++)
			if (world->service[s].listener[l].vip == vip)
				return true;
	return false;
}

char *world_config_text(const struct world *world)
{
	char *text = NULL, address[48];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const char *head = "vips:\n";

	if (out == NULL)
		abort();
	fprintf(out, "interfaces:\n");
	for (unsigned int p = 0; p < world->ports; p++)
		fprintf(out, "  - {name: up%u, dpdk: \"af_packet:up%u\"}\n", p, p);
	fprintf(out, "limits: {reply-rate: 1000000}\n"); /* no limit is to be met */
	for (unsigned int v = 0; v < WORLD_VIPS; v++) {
		if (!vip_is_used(world, v))
			continue;
		vip_text(v, address);
		fprintf(out, "%s  - {address: \"%s\", no-service: %s}\n", head, address, world->no_service[v]);
		head = "";
	}
	fprintf(out, "pools:\n");
	for (unsigned int p = 0; p < world->pools; p++) /* unused ones, too: see shorten_idle() */
		write_pool(out, &world->pool[p], p);
	fprintf(out, "services:\n");
	for (unsigned int s = 0; s < world->services; s++)
		write_service(out, &world->service[s], s);
	fclose(out);
	return text;
}

char *world_scenario_text(const struct world *world)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		abort();
	fprintf(out, "receive: up%u\nports:\n", world->receive);
	for (unsigned int p = 0; p < world->ports; p++)
		fprintf(out, "  - {name: up%u, mac: 02:00:00:00:00:a%u, mtu: %u, kernel-path: %s, "
			     "addresses: [10.%u.0.1/16, \"fd00:%u::1/64\"]%s}\n", p, p, world->mtu[p],
			world->kernel_path[p] ? "true" : "false", 1 + p, 1 + p,
			p == 0 ? ", gateway: [10.1.0.254, \"fd00:1::fe\"]" : "");
	if (world->neighbors[0] != '\0')
		fprintf(out, "neighbors:\n%s", world->neighbors);
	fclose(out);
	return text;
}
