/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Brings DPDK devices up as planned: queues, RSS and checksum flags where the device has them, buffers
 * sized for the longest frame. What a device lacks is said in one line and nothing is half open.
 */
#include "dataplane/port.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	PORT_RX_DESCRIPTORS = 1024,
	PORT_TX_DESCRIPTORS = 1024,
	PORT_AF_XDP_BUFFERS = 8192, /* fill, rx, tx and completion ring of the driver, 2048 and 4096 deep */
	PORT_POOL_CACHE = 256,
	PORT_FRAME_EXTRA = RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN,
	PORT_BUSY_RETRIES = 50, /* the kernel frees the sockets of a killed process a moment later */
	PORT_BUSY_PAUSE_MS = 20,
};

__attribute__((format(printf, 3, 4))) static int port_fail(struct port_error *error, int err, const char *format,
							    ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return err;
}

int port_set_init(struct port_set *set, const struct port_plan *plans, unsigned int count, unsigned int workers,
		  struct port_error *reterr_error)
{
	unsigned int mtu = PORT_MTU_DEFAULT, buffers = 2048, room;
	char name[RTE_MEMPOOL_NAMESIZE];

	memset(set, 0, sizeof(*set));
	set->workers = workers;
	for (unsigned int p = 0; p < count; p++) {
		mtu = plans[p].mtu > mtu ? plans[p].mtu : mtu;
		buffers += plans[p].needs_steering ? PORT_AF_XDP_BUFFERS : PORT_RX_DESCRIPTORS + PORT_TX_DESCRIPTORS;
	}
	room = RTE_PKTMBUF_HEADROOM + mtu + PORT_FRAME_EXTRA;
	room = room < RTE_MBUF_DEFAULT_BUF_SIZE ? RTE_MBUF_DEFAULT_BUF_SIZE : RTE_ALIGN_CEIL(room, 64);
	for (unsigned int w = 0; w < workers; w++) {
		snprintf(name, sizeof(name), "worker%u", w);
		set->pool[w] = rte_pktmbuf_pool_create(name, buffers, PORT_POOL_CACHE, 0, (uint16_t)room,
						       (int)rte_socket_id());
		if (!set->pool[w])
			return port_fail(reterr_error, -ENOMEM,
					 "no memory for %u packet buffers of %u bytes a worker: raise dpdk: memory (or the "
					 "number of hugepages), or configure fewer workers",
					 buffers, room);
	}
	return 0;
}

/* What of our wishes the device can do. */
static int port_configure(const struct port_set *set, const struct sl_port_config *config, uint16_t device,
			  uint16_t queues, unsigned int mtu, struct port *port, struct port_error *error)
{
	static const uint64_t rss_wish = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
	struct rte_eth_conf conf = {.rxmode.mtu = 0};
	struct rte_eth_dev_info info;
	int err;

	err = rte_eth_dev_info_get(device, &info);
	if (err < 0)
		return port_fail(error, err, "port '%s': the driver does not describe itself (%s)", config->name,
				 strerror(-err));
	if (info.max_rx_queues < queues || info.max_tx_queues < queues)
		return port_fail(error, -ENOSPC,
				 "port '%s' (%s) has %u receive and %u send queues, %u workers need one each: configure "
				 "fewer workers or another port",
				 config->name, config->device, info.max_rx_queues, info.max_tx_queues, queues);
	if (info.max_mtu != 0 && mtu > info.max_mtu)
		return port_fail(error, -ENOSPC, "port '%s' (%s) takes an MTU of at most %u, %u is asked for",
				 config->name, config->device, info.max_mtu, mtu);
	conf.rxmode.mtu = mtu;
	if (queues > 1 && (info.flow_type_rss_offloads & rss_wish) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & rss_wish;
	}
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	port->multi_segment = conf.txmode.offloads != 0;
	err = rte_eth_dev_configure(device, queues, queues, &conf);
	if (err < 0)
		return port_fail(error, err, "port '%s' (%s) refuses %u queues: %s", config->name, config->device,
				 queues, strerror(-err));
	RTE_SET_USED(set);
	return 0;
}

static int port_setup_rx(const struct port_set *set, uint16_t device, uint16_t queue, uint16_t descriptors,
			 unsigned int worker, bool retry)
{
	const struct timespec pause = {.tv_nsec = PORT_BUSY_PAUSE_MS * 1000000L};
	int err;

	for (int attempt = 0;; attempt++) {
		err = rte_eth_rx_queue_setup(device, queue, descriptors, (unsigned int)rte_eth_dev_socket_id(device),
					     NULL, set->pool[worker]);
		if (err >= 0 || !retry || attempt == PORT_BUSY_RETRIES)
			return err;
		nanosleep(&pause, NULL);
	}
}

/* Configures a device whose queue q belongs to worker first_worker + q, and starts it. */
static int port_start_device(const struct port_set *set, const struct sl_port_config *config, uint16_t device,
			     uint16_t queues, unsigned int first_worker, unsigned int mtu, struct port *port,
			     struct port_error *error)
{
	uint16_t rx = PORT_RX_DESCRIPTORS, tx = PORT_TX_DESCRIPTORS;
	int err;

	err = port_configure(set, config, device, queues, mtu, port, error);
	if (err < 0)
		return err;
	err = rte_eth_dev_adjust_nb_rx_tx_desc(device, &rx, &tx);
	for (uint16_t q = 0; err >= 0 && q < queues; q++)
		err = rte_eth_tx_queue_setup(device, q, tx, (unsigned int)rte_eth_dev_socket_id(device), NULL);
	for (uint16_t q = 0; err >= 0 && q < queues; q++)
		err = port_setup_rx(set, device, q, rx, first_worker + q, port->needs_steering);
	if (err < 0 && port->needs_steering)
		return port_fail(error, err,
				 "port '%s': no AF_XDP socket on queue %u of '%s' (%s): is another program using the "
				 "queue, or a capability missing (cap_net_raw, cap_net_admin, cap_sys_admin)?",
				 config->name, first_worker, config->device, strerror(-err));
	if (err >= 0)
		err = rte_eth_dev_start(device);
	if (err < 0)
		return port_fail(error, err, "port '%s' (%s) does not start: %s", config->name, config->device,
				 strerror(-err));
	return 0;
}

static int port_describe(struct port *port, const struct port_plan *plan, unsigned int index,
			 struct port_error *error)
{
	struct rte_ether_addr mac;
	uint16_t mtu;
	int err;

	err = rte_eth_macaddr_get(port->device[0], &mac);
	if (err < 0)
		return port_fail(error, err, "port '%s' has no MAC address (%s)", port->name, strerror(-err));
	memcpy(port->shared.mac, mac.addr_bytes, sizeof(port->shared.mac));
	if (plan->mtu != 0)
		mtu = (uint16_t)plan->mtu;
	else if (rte_eth_dev_get_mtu(port->device[0], &mtu) < 0)
		mtu = PORT_MTU_DEFAULT;
	port->shared.mtu = mtu;
	port->shared.index = (uint16_t)index;
	port->shared.kernel_path = plan->kernel_path;
	return 0;
}

int port_open(struct port_set *set, const struct sl_port_config *config, const struct port_plan *plan,
	      struct port_error *reterr_error)
{
	struct port *port = &set->port[set->count];
	const uint16_t queues = (uint16_t)(set->workers / plan->device_count);
	const unsigned int mtu = plan->mtu ? plan->mtu : PORT_MTU_DEFAULT;
	int err;

	memset(port, 0, sizeof(*port));
	snprintf(port->name, sizeof(port->name), "%s", config->name);
	port->needs_steering = plan->needs_steering;
	for (unsigned int d = 0; d < plan->device_count; d++) {
		const struct port_plan_device *device = &plan->device[d];

		/* The EAL has probed the PCI devices that eal_args.c allowed. */
		if (strcmp(plan->bus, "vdev") == 0) {
			err = rte_eal_hotplug_add(plan->bus, device->name, device->args);
			if (err < 0)
				return port_fail(reterr_error, err,
						 "port '%s': DPDK cannot create '%s,%s' (%s); --dpdk-log shows more",
						 config->name, device->name, device->args, strerror(-err));
		}
		err = rte_eth_dev_get_port_by_name(device->name, &port->device[d]);
		if (err < 0)
			return port_fail(reterr_error, -ENODEV,
					 "port '%s': DPDK finds no device '%s': is it bound to vfio-pci "
					 "(dpdk-devbind.py --status)?",
					 config->name, device->name);
		err = port_start_device(set, config, port->device[d], queues, d * queues, mtu, port, reterr_error);
		if (err < 0)
			return err;
		for (uint16_t q = 0; q < queues; q++)
			port->queue[d * queues + q] = (struct port_queue){.device = port->device[d], .queue = q};
	}
	port->device_count = plan->device_count;
	err = port_describe(port, plan, set->count, reterr_error);
	if (err == 0)
		set->count++;
	return err;
}

void port_set_stop(struct port_set *set)
{
	for (unsigned int p = 0; p < set->count; p++)
		for (unsigned int d = 0; d < set->port[p].device_count; d++)
			rte_eth_dev_stop(set->port[p].device[d]);
}

void port_set_losses(const struct port_set *set, unsigned int worker, uint64_t *ret_missed, uint64_t *ret_no_mbuf)
{
	struct rte_eth_stats stats;
	uint64_t missed = 0, no_mbuf = 0;

	for (unsigned int p = 0; p < set->count; p++) {
		const struct port *port = &set->port[p];

		/* A device of several queues counts as a whole: its first worker shows it. */
		if (port->queue[worker].queue != 0 || rte_eth_stats_get(port->queue[worker].device, &stats) < 0)
			continue;
		missed += stats.imissed;
		no_mbuf += stats.rx_nombuf;
	}
	*ret_missed = missed;
	*ret_no_mbuf = no_mbuf;
}
