/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One builder a kind of port. On veth net_af_xdp cannot have several queues in one device (it asks
 * ethtool for combined channels, veth has none), so there each worker gets a device of its own.
 */
#include "dataplane/port_plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static int plan_fail(struct port_plan_error *error, int err,
							    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return err;
}

/* True for "0000:3b:00.0" and nothing else: what the EAL is given may carry neither another bus nor options. */
static bool plan_is_pci_address(const char *text)
{
	static const char form[] = "xxxx:xx:xx.7"; /* x: a hexadecimal digit; functions are 0 to 7 */

	if (strlen(text) != strlen(form))
		return false;
	for (size_t i = 0; form[i] != 0; i++)
		if (form[i] == 'x'   ? !isxdigit((unsigned char)text[i])
		    : form[i] == '7' ? text[i] < '0' || text[i] > '7'
				     : text[i] != form[i])
			return false;
	return true;
}

const char *port_plan_interface(const struct sl_port_config *config)
{
	return config->kind == SL_PORT_AF_XDP || config->kind == SL_PORT_AF_PACKET ? config->device : NULL;
}

/* The port's MTU is the interface's, or less when configured so. */
static int plan_mtu(const struct port_plan_request *request, struct port_plan *plan, struct port_plan_error *error)
{
	const struct sl_port_config *config = request->config;
	const unsigned int have = request->interface->mtu;

	if (config->mtu > have)
		return plan_fail(error, -ENOSPC,
				 "interface '%s' has an MTU of %u, %u is configured: ip link set %s mtu %u",
				 config->device, have, config->mtu, config->device, config->mtu);
	plan->mtu = config->mtu ? config->mtu : have;
	return 0;
}

static int plan_queues(const struct port_plan_request *request, struct port_plan *plan, struct port_plan_error *error)
{
	const struct interface_info *interface = request->interface;
	const char *device = request->config->device;
	const unsigned int least =
		interface->rx_queues < interface->tx_queues ? interface->rx_queues : interface->tx_queues;

	if (least < request->workers && interface->veth)
		return plan_fail(error, -ENOSPC,
				 "interface '%s' has %u queues, %u workers need one each: ethtool -L %s rx %u tx %u, or "
				 "create the veth with numrxqueues %u numtxqueues %u, or configure fewer workers",
				 device, least, request->workers, device, request->workers, request->workers,
				 request->workers, request->workers);
	if (least < request->workers)
		return plan_fail(error, -ENOSPC,
				 "interface '%s' has %u queues, %u workers need one each: ethtool -L %s combined %u, or "
				 "configure fewer workers",
				 device, least, request->workers, device, request->workers);
	if (interface->rx_queues > request->workers)
		snprintf(plan->warning, sizeof(plan->warning),
			 "interface '%.15s' may spread packets over %u queues, but %u workers read one each: VIP "
			 "packets of the others are dropped; ethtool -L %.15s %s %u, or configure more workers",
			 device, interface->rx_queues, request->workers, device, interface->veth ? "rx" : "combined",
			 request->workers);
	return 0;
}

static int plan_af_xdp(const struct port_plan_request *request, struct port_plan *plan, struct port_plan_error *error)
{
	const char *device = request->config->device;
	int err;

	plan->needs_steering = true;
	err = plan_mtu(request, plan, error);
	if (err == 0)
		err = plan_queues(request, plan, error);
	if (err < 0)
		return err;
	if (plan->mtu > PORT_MTU_AF_XDP_MAX)
		return plan_fail(error, -ENOSPC,
				 "interface '%s' has an MTU of %u, AF_XDP can carry %d: ip link set %s mtu %d", device,
				 plan->mtu, PORT_MTU_AF_XDP_MAX, device, PORT_MTU_AF_XDP_MAX);
	plan->device_count = request->interface->veth ? request->workers : 1;
	for (unsigned int d = 0; d < plan->device_count; d++) {
		struct port_plan_device *out = &plan->device[d];

		snprintf(out->name, sizeof(out->name), "net_af_xdp%u", request->index * SL_WORKERS_MAX + d);
		if (request->interface->veth)
			snprintf(out->args, sizeof(out->args), "iface=%s,start_queue=%u,busy_budget=0", device, d);
		else
			snprintf(out->args, sizeof(out->args), "iface=%s,start_queue=0,queue_count=%u", device,
				 request->workers);
	}
	return 0;
}

static int plan_af_packet(const struct port_plan_request *request, struct port_plan *plan,
			  struct port_plan_error *error)
{
	struct port_plan_device *out = &plan->device[0];
	unsigned int frame_size;
	int err;

	plan->kernel_path = true;
	err = plan_mtu(request, plan, error);
	if (err < 0)
		return err;
	if (plan->mtu > PORT_MTU_MAX)
		plan->mtu = PORT_MTU_MAX;
	frame_size = plan->mtu <= 1900 ? 2048 : plan->mtu <= 3900 ? 4096 : 16384;
	plan->device_count = 1;
	snprintf(out->name, sizeof(out->name), "net_af_packet%u", request->index);
	snprintf(out->args, sizeof(out->args), "iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=512",
		 request->config->device, request->workers, frame_size, frame_size < 4096 ? 4096 : frame_size);
	return 0;
}

static int plan_vdev(const struct port_plan_request *request, struct port_plan *plan, struct port_plan_error *error)
{
	const char *device = request->config->device;
	const char *comma = strchr(device, ',');
	const size_t name_len = comma ? (size_t)(comma - device) : strlen(device);
	struct port_plan_device *out = &plan->device[0];

	if (!request->root_owned)
		return plan_fail(error, -EPERM,
				 "port '%s' is 'vdev:%s', which can name any file: only a configuration that root owns "
				 "and nobody else can write may use vdev",
				 request->config->name, device);
	if (strncmp(device, "net_", 4) != 0 || name_len >= sizeof(out->name))
		return plan_fail(error, -EINVAL,
				 "port '%s': 'vdev:%s' names no DPDK network driver: net_ring0, net_pcap0,... are such",
				 request->config->name, device);
	plan->device_count = 1;
	plan->mtu = request->config->mtu;
	snprintf(out->name, sizeof(out->name), "%.*s", (int)name_len, device);
	snprintf(out->args, sizeof(out->args), "%s", comma ? comma + 1 : "");
	return 0;
}

int port_plan_build(const struct port_plan_request *request, struct port_plan *ret_plan,
		    struct port_plan_error *reterr_error)
{
	const struct sl_port_config *config = request->config;

	memset(ret_plan, 0, sizeof(*ret_plan));
	ret_plan->bus = config->kind == SL_PORT_PCI ? "pci" : "vdev";
	if (config->queues != 0 && config->queues < request->workers)
		return plan_fail(reterr_error, -ENOSPC,
				 "port '%s' is set to %u queues, %u workers need one each: set queues: auto, or configure "
				 "fewer workers",
				 config->name, config->queues, request->workers);
	if (config->mtu > PORT_MTU_MAX)
		return plan_fail(reterr_error, -ENOSPC, "port '%s' is set to an MTU of %u; %d is possible",
				 config->name, config->mtu, PORT_MTU_MAX);
	if (port_plan_interface(config) != NULL && strchr(config->device, ',') != NULL)
		return plan_fail(reterr_error, -EINVAL,
				 "port '%s': a comma in the name of interface '%s' would be read as an option of DPDK: "
				 "ip link set dev '%s' name another",
				 config->name, config->device, config->device);
	switch (config->kind) {
	case SL_PORT_AF_XDP: return plan_af_xdp(request, ret_plan, reterr_error);
	case SL_PORT_AF_PACKET: return plan_af_packet(request, ret_plan, reterr_error);
	case SL_PORT_VDEV: return plan_vdev(request, ret_plan, reterr_error);
	case SL_PORT_PCI:
		if (!plan_is_pci_address(config->device))
			return plan_fail(reterr_error, -EINVAL,
					 "port '%s': 'pci:%s' is no PCI address as in pci:0000:3b:00.0", config->name,
					 config->device);
		ret_plan->device_count = 1;
		ret_plan->mtu = config->mtu;
		snprintf(ret_plan->device[0].name, sizeof(ret_plan->device[0].name), "%.47s", config->device);
		return 0;
	default: break;
	}
	return plan_fail(reterr_error, -EINVAL, "port '%s' is of kind %u, which this sluice-dp does not know",
			 config->name, config->kind);
}
