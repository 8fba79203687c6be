/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which interfaces carry the steering program: those of AF_XDP ports, and again when one of them is made
 * anew or gets another MAC address. What the programs steer is daemon_network.c's business.
 */
#include "daemon.h"

#include <string.h>
#include <unistd.h>

#include "xdp_interface.h"

static enum steering_attach_mode attach_mode(const struct config *config)
{
	switch (config->xdp_attach) {
	case CONFIG_XDP_ATTACH_NATIVE_ONLY: return STEERING_NATIVE_ONLY;
	case CONFIG_XDP_ATTACH_GENERIC: return STEERING_GENERIC;
	case CONFIG_XDP_ATTACH_AUTO: break;
	}
	return STEERING_NATIVE_OR_GENERIC;
}

int daemon_steering_open(struct daemon *d)
{
	struct error_text reterr;
	bool private_mount;
	int err;

	if (d->steering)
		return 0;
	err = steering_create(d->options.bpffs, d->options.instance, &d->steering, &private_mount, &reterr);
	if (err < 0) {
		log_error(&d->log, "no place for XDP programs", LOG_STR("cause", reterr.text));
		return err;
	}
	if (private_mount)
		log_warning(&d->log, "bpffs is mounted for this process only: what is pinned goes with sluiced; "
			    "mount it before sluiced starts", LOG_STR("bpffs", d->options.bpffs));
	return 0;
}

/* True when these findings were not the last that were said of the port. */
static bool is_news(struct daemon *d, uint16_t index, const struct error_text *findings, size_t count)
{
	uint64_t sum = sl_checksum64(&d->port_links[index].ifindex, sizeof(d->port_links[index].ifindex));

	for (size_t i = 0; i < count; i++)
		sum = sum * 31 + sl_checksum64(findings[i].text, strlen(findings[i].text));
	if (sum == d->port_said[index].findings)
		return false;
	d->port_said[index].findings = sum;
	return true;
}

/* Says what will not work there, before traffic finds out: once for an interface, and again when it changes. */
static void judge_interface(struct daemon *d, const char *ifname, uint16_t index)
{
	const struct xdp_interface_use use = { .native = d->config->xdp_attach != CONFIG_XDP_ATTACH_GENERIC,
					       .forwards = d->datapath != CONFIG_DATAPATH_DPDK,
					       .cpu_count = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN),
					       .mtu_max = steering_link_mtu_max() };
	struct error_text findings[XDP_INTERFACE_FINDINGS_MAX];
	struct xdp_interface interface;
	size_t count;

	if (xdp_interface_read(ifname, &interface) < 0)
		return; /* steering_attach says so */
	count = xdp_interface_judge(&interface, &use, findings);
	if (!is_news(d, index, findings, count))
		return;
	for (size_t i = 0; i < count; i++)
		log_warning(&d->log, "XDP will not see all of an interface's traffic, or not send it", LOG_STR("interface", ifname),
			    LOG_STR("cause", findings[i].text));
}

/* Generic attachment works, so that nothing else would show it. */
static void say_generic(struct daemon *d, const char *ifname, uint16_t index, const struct steering_port *port)
{
	if (port->generic && (!d->port_said[index].generic || !port->adopted))
		log_warning(&d->log, d->config->xdp_attach == CONFIG_XDP_ATTACH_GENERIC
			    ? "XDP is attached generically, as configured (xdp: attach): works, but slowly"
			    : "the driver has no native XDP: attached generically, which works, but slowly; xdp: {attach: native-only} refuses that",
			    LOG_STR("interface", ifname));
	d->port_said[index].generic = port->generic;
}

static int attach_port(struct daemon *d, const char *ifname, uint16_t index, struct steering_port *ret_port)
{
	struct error_text reterr;
	int err;

	judge_interface(d, ifname, index);
	err = steering_attach(d->steering, ifname, index, attach_mode(d->config), ret_port, &reterr);
	if (err < 0)
		log_error(&d->log, "interface cannot be steered", LOG_STR("interface", ifname),
			  LOG_STR("cause", reterr.text));
	else
		say_generic(d, ifname, index, ret_port);
	return err;
}

/* All zero: there is no such interface. */
static struct daemon_port_link port_link(const struct daemon *d, const char *ifname)
{
	const struct link *link = link_by_name(d->links, ifname);
	struct daemon_port_link now = { .ifindex = 0 };

	if (!link)
		return now;
	now.ifindex = link->ifindex;
	now.mtu = link->mtu;
	now.up = link->up;
	memcpy(now.mac, link->mac, sizeof(now.mac));
	return now;
}

bool daemon_steers(const struct daemon *d, const struct config_interface *interface)
{
	return interface->port.kind == SL_PORT_AF_XDP || (d->datapath == CONFIG_DATAPATH_XDP && interface->ifname[0]);
}

int daemon_steering_attach(struct daemon *d, bool fatal)
{
	for (size_t i = 0; i < d->config->interface_count; i++) {
		const struct config_interface *interface = &d->config->interfaces[i];
		struct steering_port port;
		int err;

		if (!daemon_steers(d, interface))
			continue;
		d->port_links[i] = port_link(d, interface->ifname);
		err = daemon_steering_open(d);
		if (err < 0)
			return err;
		err = attach_port(d, interface->ifname, (uint16_t)i, &port);
		if (err < 0 && fatal)
			return err;
		if (err < 0)
			continue;
		daemon_xdp_port(d, (uint16_t)i, &d->port_links[i]);
		log_info(&d->log, port.adopted ? "the XDP program goes on" : "XDP program attached",
			 LOG_STR("interface", interface->ifname), LOG_U64("program", port.program_id));
	}
	return 0;
}

/* An AF_XDP port's interface is another one, has another MAC, or is what failed to be steered before. */
static void follow_link(struct daemon *d, uint16_t index, const char *ifname, const struct daemon_port_link *was,
			const struct daemon_port_link *now)
{
	struct steering_port port;

	if (now->ifindex == 0) {
		log_warning(&d->log, "the interface of a port is gone; one of that name gets the program when it is there",
			    LOG_STR("interface", ifname));
		return;
	}
	if (attach_port(d, ifname, index, &port) < 0)
		return;
	daemon_xdp_port(d, index, now);
	if (!port.adopted && d->xdp)
		log_info(&d->log, "XDP program attached to a new interface", LOG_STR("interface", ifname),
			 LOG_U64("program", port.program_id));
	else if (!port.adopted)
		log_warning(&d->log, "steering attached to a new interface: restart sluice-dp, its sockets are those of before",
			    LOG_STR("interface", ifname), LOG_U64("program", port.program_id));
	else if (memcmp(was->mac, now->mac, sizeof(now->mac)) != 0)
		log_info(&d->log, "steering follows the interface's MAC address", LOG_STR("interface", ifname));
}

static void on_link(void *ctx, int ifindex)
{
	struct daemon *d = ctx;

	(void)ifindex; /* a name can have gone from one interface to another */
	if (d->stopping || !d->steering)
		return;
	for (size_t i = 0; i < d->config->interface_count; i++) {
		const struct config_interface *interface = &d->config->interfaces[i];
		const struct daemon_port_link was = d->port_links[i];
		struct daemon_port_link now;

		if (!daemon_steers(d, interface))
			continue;
		now = port_link(d, interface->ifname);
		d->port_links[i] = now;
		if (was.ifindex != now.ifindex || was.mtu != now.mtu || was.up != now.up ||
		    memcmp(was.mac, now.mac, sizeof(now.mac)) != 0)
			follow_link(d, (uint16_t)i, interface->ifname, &was, &now);
	}
}

void daemon_steering_listen(struct daemon *d)
{
	d->on_link = (struct link_listener){ .ctx = d, .changed = on_link };
	links_listen(d->links, &d->on_link);
}
