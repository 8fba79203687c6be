/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's side: next hops → model; VIP addresses, the device that carries them, and the steering
 * programs ← model. What goes, goes before a generation is published; what comes, comes after APPLIED.
 */
#include "daemon.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

static void on_hop(void *ctx, const struct sl_neighbor *hop)
{
	struct daemon *d = ctx;

	if (hop->id == NEIGHBOR_NOWHERE)
		return;
	if (model_set_neighbor(d->model, hop) < 0)
		log_error(&d->log, "too many next hops; this one is not used", LOG_U64("id", hop->id));
	daemon_publish(d);
}

static void on_hop_gone(void *ctx, uint32_t id)
{
	struct daemon *d = ctx;

	model_del_neighbor(d->model, id);
	daemon_publish(d);
}

static void on_path(void *ctx, const struct neighbor_path *path)
{
	struct daemon *d = ctx;
	const struct model_hop hop = { .neighbor = path->neighbor, .outer_src = path->source };

	model_set_hop(d->model, &path->address, &hop);
	if (path->reason[0])
		log_warning(&d->log, "no way to a backend", LOG_ADDR("address", &path->address),
			    LOG_STR("cause", path->reason));
	daemon_publish(d);
}

static void on_vip_appeared(void *ctx, const struct sl_addr *vip, const char *ifname)
{
	const struct daemon *d = ctx;

	log_info(&d->log, "VIP is up", LOG_ADDR("vip", vip), LOG_STR("interface", ifname));
}

static void on_vip_disappeared(void *ctx, const struct sl_addr *vip, const char *ifname)
{
	struct daemon *d = ctx;

	d->vips_withdrawn++;
	log_warning(&d->log, "VIP is withdrawn", LOG_ADDR("vip", vip), LOG_STR("interface", ifname));
}

static void on_trouble(void *ctx, const char *text)
{
	const struct daemon *d = ctx;

	log_error(&d->log, "the kernel's side is not as it should be", LOG_STR("cause", text));
}

static void on_held(void *ctx, const char *device, bool adopted, uint64_t pid)
{
	struct daemon *d = ctx;

	log_info(&d->log, adopted ? "the data plane holds the VIP device already" : "the data plane holds the VIP device",
		 LOG_STR("device", device), LOG_U64("pid", pid));
	vip_address_held(d->vips, true);
}

static const char *lost_word(enum dataplane_lost why, bool xdp)
{
	switch (why) {
	case DATAPLANE_LOST_ABSENT: return xdp ? "no sluice-device" : "no sluice-dp";
	case DATAPLANE_LOST_GONE: return xdp ? "sluice-device ended" : "sluice-dp ended";
	case DATAPLANE_LOST_STUCK: return xdp ? "no interface carries the XDP program" : "its workers make no progress";
	case DATAPLANE_LOST_RELEASED: return "released";
	}
	return "?";
}

/* What is missing before a sluice-dp may hold the VIP device. */
static const char *awaited_word(const struct daemon *d)
{
	if (!d->published)
		return health_pending(d->health) > 0 ? "the first results of probes" : "the MACs of healthy backends";
	return d->applied == d->model->generation ? "sluice-dp to take the device"
						  : "sluice-dp to apply the first generation";
}

/* Nobody held the device when this sluiced started: a first boot, unless addresses of before were still there. */
static void on_absent(struct daemon *d)
{
	const uint64_t before = d->vips_withdrawn;

	vip_address_held(d->vips, false);
	if (d->vips_withdrawn > before)
		log_warning(&d->log, "nobody holds the VIP device: VIPs are withdrawn",
			    LOG_STR("cause", lost_word(DATAPLANE_LOST_ABSENT, d->xdp)));
	else if (!d->xdp && daemon_data_pid(d) == 0)
		log_warning(&d->log, "no VIP is up yet", LOG_STR("waits_for", "a sluice-dp that holds the VIP device"));
	else
		log_info(&d->log, "no VIP is up yet", LOG_STR("waits_for", awaited_word(d)),
			 LOG_U64("probes", health_pending(d->health)));
}

static void on_lost(void *ctx, enum dataplane_lost why)
{
	struct daemon *d = ctx;

	if (why == DATAPLANE_LOST_ABSENT) {
		on_absent(d);
		return;
	}
	log_warning(&d->log, "nobody holds the VIP device: VIPs are withdrawn", LOG_STR("cause", lost_word(why, d->xdp)));
	vip_address_held(d->vips, false);
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_addr));
}

/* The configured VIPs that are wanted now, ascending; none while the data plane hangs; without `additions` only
 * those that were set before. */
static int wanted_vips(const struct daemon *d, bool additions, struct sl_addr **ret_list, size_t *ret_count)
{
	const size_t count = d->config->vip_count;
	struct sl_addr *list = calloc(count + 1, sizeof(*list));
	bool *wanted = calloc(count + 1, sizeof(*wanted));
	size_t n = 0;
	int err = list && wanted ? 0 : -ENOMEM;

	for (size_t i = 0; err == 0 && i < count; i++)
		wanted[i] = daemon_vip_held(d, &d->config->vips[i].address);
	if (err == 0)
		err = model_vips_wanted(d->model, wanted);
	for (size_t i = 0; err == 0 && !d->data_hangs && i < count; i++)
		if (wanted[i] && (additions || daemon_vip_held(d, &d->config->vips[i].address)))
			list[n++] = d->config->vips[i].address;
	free(wanted);
	if (err < 0) {
		free(list);
		return err;
	}
	qsort(list, n, sizeof(*list), compare_addresses);
	*ret_list = list;
	*ret_count = n;
	return 0;
}

/*
 * Addresses that were there before this sluiced stay until a generation is applied: only then is it known
 * which are wanted, and it must be said even when none is.
 */
static int set_vip_addresses(struct daemon *d, bool additions)
{
	struct sl_addr *list;
	size_t n;
	int err;

	if (!d->vips || (!additions && !d->vips_told))
		return 0;
	err = wanted_vips(d, additions, &list, &n);
	if (err < 0)
		return err;
	if (d->vips_told && n == d->vip_count && (n == 0 || memcmp(list, d->vip_list, n * sizeof(*list)) == 0)) {
		free(list);
		return 0;
	}
	err = vip_address_set(d->vips, list, n);
	free(d->vip_list);
	d->vip_list = list;
	d->vip_count = n;
	d->vips_told = err == 0;
	return err;
}

bool daemon_vip_held(const struct daemon *d, const struct sl_addr *vip)
{
	return d->vip_count > 0 && bsearch(vip, d->vip_list, d->vip_count, sizeof(*vip), compare_addresses) != NULL;
}

/* ICMP errors about tunnels come to the addresses that these begin at. */
static void steer_errors(struct daemon *d)
{
	struct sl_addr *sources;
	const size_t count = model_sources(d->model, &sources);
	const int err = sources ? steering_sources_set(d->steering, sources, count) : -ENOMEM;

	if (err < 0)
		log_error(&d->log, "the steering program cannot be told the tunnels' sources", LOG_ERRNO("cause", err));
	free(sources);
}

static void steer(struct daemon *d, bool additions)
{
	struct sl_listener *listeners;
	struct sl_vip *vips;
	size_t listener_count, vip_count;
	int err = 0;

	if (!d->steering)
		return;
	listener_count = model_listeners(d->model, &listeners);
	vip_count = model_vips(d->model, &vips);
	if (!listeners || !vips)
		err = -ENOMEM;
	else if (additions)
		err = steering_listeners_add(d->steering, listeners, listener_count);
	else
		err = steering_vips_keep(d->steering, vips, vip_count);
	if (err == 0)
		err = additions ? steering_vips_add(d->steering, vips, vip_count)
				: steering_listeners_keep(d->steering, listeners, listener_count);
	if (err < 0)
		log_error(&d->log, "the steering program cannot be told the VIPs", LOG_ERRNO("cause", err));
	if (additions)
		steer_errors(d);
	free(listeners);
	free(vips);
}

void daemon_network_before(struct daemon *d)
{
	set_vip_addresses(d, false);
	steer(d, false);
}

void daemon_network_applied(struct daemon *d)
{
	if (d->applied != d->model->generation || d->applied == 0)
		return;
	steer(d, true);
	set_vip_addresses(d, true);
	if (d->socket)
		dataplane_socket_offer(d->socket);
}

/* The number that the running sluice-dp has for an interface; -1: it does not know it before it restarts. */
static int port_number(const struct daemon *d, size_t i)
{
	if (d->counting_pid == 0)
		return (int)i;
	for (size_t k = 0; k < d->counted_count; k++)
		if (strcmp(d->counted[k], d->config->interfaces[i].ifname) == 0)
			return (int)k;
	return -1;
}

static int tell_ports(struct daemon *d)
{
	struct neighbor_port ports[SL_PORTS_MAX];
	char names[SL_PORTS_MAX][16];
	struct sl_addr *addresses;
	size_t count = 0, name_count = 0, address_count;
	int err;

	for (size_t i = 0; i < d->config->interface_count; i++) {
		if (!d->config->interfaces[i].ifname[0])
			continue;
		strcpy(names[name_count++], d->config->interfaces[i].ifname);
		if (port_number(d, i) < 0)
			continue;
		strcpy(ports[count].ifname, d->config->interfaces[i].ifname);
		ports[count++].port = (uint16_t)port_number(d, i);
	}
	err = neighbor_ports(d->neighbors, ports, count);
	if (err == 0 && d->vips)
		err = vip_address_ports(d->vips, (const char (*)[16])names, name_count);
	if (err < 0)
		return err;
	address_count = model_addresses(d->model, &addresses);
	err = addresses ? neighbor_set(d->neighbors, addresses, address_count) : -ENOMEM;
	free(addresses);
	return err;
}

/* What neighbor_set() found without an event: the way of an address that another pool had before. */
static void tell_known_paths(struct daemon *d)
{
	struct sl_addr *addresses;
	const size_t count = model_addresses(d->model, &addresses);

	for (size_t i = 0; addresses && i < count; i++) {
		const struct neighbor_path *path = neighbor_path(d->neighbors, &addresses[i]);
		struct model_hop hop;

		if (!path || path->neighbor == NEIGHBOR_NOWHERE)
			continue;
		hop = (struct model_hop){ .neighbor = path->neighbor, .outer_src = path->source };
		model_set_hop(d->model, &addresses[i], &hop);
	}
	free(addresses);
}

/* Interfaces that are not configured any more give their program back at once: nobody else reads from them. */
static void keep_steered(struct daemon *d)
{
	char names[SL_PORTS_MAX][IF_NAMESIZE];
	size_t count = 0;

	for (size_t i = 0; i < d->config->interface_count; i++)
		if (daemon_steers(d, &d->config->interfaces[i]))
			strcpy(names[count++], d->config->interfaces[i].ifname);
	steering_keep(d->steering, (const char (*)[IF_NAMESIZE])names, count);
}

int daemon_network_follow(struct daemon *d)
{
	int err = tell_ports(d);

	tell_known_paths(d);
	daemon_steering_attach(d, false);
	if (d->datapath == CONFIG_DATAPATH_XDP)
		keep_steered(d);
	return err;
}

void daemon_network_restart_due(struct daemon *d)
{
	if (!d->attached || d->counting_pid != 0)
		return;
	d->counting_pid = d->hello.pid;
	d->counted_count = d->config->interface_count;
	for (size_t i = 0; i < d->counted_count; i++)
		strcpy(d->counted[i], d->config->interfaces[i].ifname);
}

/* True when the configuration steers an interface of that name. */
static bool is_steered(const struct daemon *d, const char *ifname)
{
	for (size_t i = 0; i < d->config->interface_count; i++)
		if (daemon_steers(d, &d->config->interfaces[i]) &&
		    strcmp(d->config->interfaces[i].ifname, ifname) == 0)
			return true;
	return false;
}

void daemon_network_restarted(struct daemon *d)
{
	int err;

	if (d->counting_pid == 0)
		return;
	d->counting_pid = 0;
	for (size_t i = 0; d->steering && i < d->counted_count; i++) /* nobody takes from their queues any more */
		if (d->counted[i][0] && !is_steered(d, d->counted[i]) && steering_detach(d->steering, d->counted[i]) == 0)
			log_info(&d->log, "interface is not steered any more", LOG_STR("interface", d->counted[i]));
	err = tell_ports(d);
	if (err < 0)
		log_error(&d->log, "next hops keep the old ports", LOG_ERRNO("cause", err));
	daemon_publish(d);
}

static int start_device(struct daemon *d, struct error_text *reterr)
{
	const struct vip_address_events vip_events = { .ctx = d, .appeared = on_vip_appeared,
						       .disappeared = on_vip_disappeared, .trouble = on_trouble };
	const struct dataplane_socket_events socket_events = { .ctx = d, .held = on_held, .lost = on_lost,
							       .trouble = on_trouble };
	const struct passwd *account = d->config->boot.user[0] ? getpwnam(d->config->boot.user) : NULL;
	char path[sizeof(d->runtime_dir) + 16];
	const struct dataplane_socket_options options = { .path = path, .device = d->config->announce_device,
							  .group = account ? account->pw_gid : (gid_t)-1,
							  .session = shm_file_header(d->shm)->session,
							  .lock_fd = d->datapath == CONFIG_DATAPATH_AUTO ? d->lock_fd : -1 };
	int err;

	if (!d->config->announce_device[0])
		return 0;
	snprintf(path, sizeof(path), "%s/%s", d->runtime_dir, SL_DATAPLANE_SOCKET);
	err = vip_address_create(d->netlink, d->links, &d->loop, options.device, &vip_events, &d->vips, reterr);
	if (err < 0)
		return err;
	if (reterr->text[0])
		log_warning(&d->log, reterr->text);
	return dataplane_socket_create(&d->loop, d->netlink, &options, &socket_events, &d->socket, reterr);
}

int daemon_network_start(struct daemon *d)
{
	const struct neighbor_events events = { .ctx = d, .hop = on_hop, .hop_gone = on_hop_gone, .path = on_path };
	struct error_text reterr = { "" };
	int err = netlink_create(&d->loop, &d->netlink, &reterr);

	if (err == 0)
		err = links_create(d->netlink, &d->links, &reterr);
	if (err == 0)
		err = neighbor_create(d->netlink, d->links, &d->loop, &events, &d->neighbors, &reterr);
	if (err == 0)
		err = start_device(d, &reterr);
	if (err < 0) {
		log_error(&d->log, "the kernel cannot be asked", LOG_STR("cause", reterr.text), LOG_ERRNO("error", err));
		return err;
	}
	if (d->xdp)
		err = daemon_steering_open(d);
	if (err == 0)
		err = daemon_xdp_state(d); /* now that there is a place for its maps; before programs use them, if none does yet */
	if (err == 0)
		err = daemon_steering_attach(d, true);
	if (err < 0)
		return err;
	if (d->steering)
		steering_detach_others(d->steering);
	daemon_steering_listen(d);
	return tell_ports(d);
}

void daemon_network_stop(struct daemon *d)
{
	if (d->config->xdp_on_stop == CONFIG_XDP_ON_STOP_KEEP) {
		log_info(&d->log, "the data plane goes on as it is: addresses and steering stay (xdp: on-stop: keep)");
		return;
	}
	if (d->socket)
		dataplane_socket_release(d->socket);
	if (d->vips)
		vip_address_clear(d->vips);
	if (d->steering)
		steering_detach_all(d->steering);
}

void daemon_network_destroy(struct daemon *d)
{
	dataplane_socket_destroy(d->socket);
	vip_address_destroy(d->vips);
	neighbor_destroy(d->neighbors);
	links_destroy(d->links);
	netlink_destroy(d->netlink);
	steering_destroy(d->steering);
	free(d->vip_list);
}
