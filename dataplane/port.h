/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ports: every rte_eth_* call of sluice-dp is here or in port.c. Main thread only, but for the two
 * burst functions, which a worker calls for its own queues.
 */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <rte_ethdev.h>
#include <stdbool.h>

#include "dataplane/port_plan.h"
#include "sluice/abi.h"

/* Where one worker reads and writes one port. */
struct port_queue {
	uint16_t device; /* DPDK's port id */
	uint16_t queue;
};

struct port {
	struct sl_port shared; /* as the forwarding core sees it */
	char name[SL_NAME_MAX];
	unsigned int device_count;
	uint16_t device[SL_WORKERS_MAX];
	bool multi_segment;    /* the driver takes chained mbufs */
	bool needs_steering;
	struct port_queue queue[SL_WORKERS_MAX]; /* by worker */
};

struct port_set {
	unsigned int count;
	unsigned int workers;
	struct port port[SL_PORTS_MAX];
	struct rte_mempool *pool[SL_WORKERS_MAX]; /* by worker */
};

struct port_error {
	char text[640]; /* cause and remedy in one line */
};

/*
 * Creates, configures and starts one port on which worker w owns queue w. `plan` is made by
 * port_plan_build(). Returns 0 or -errno with the reason.
 */
int port_open(struct port_set *set, const struct sl_port_config *config, const struct port_plan *plan,
	      struct port_error *reterr_error);
/* One mbuf pool a worker, with buffers for the longest frame of `plans` (one a port). */
int port_set_init(struct port_set *set, const struct port_plan *plans, unsigned int count, unsigned int workers,
		  struct port_error *reterr_error);
/* Stops all ports. Devices stay open: closing net_af_xdp would try to detach sluiced's program. */
void port_set_stop(struct port_set *set);
/* Frames that the ports could not deliver to a worker's queues, since the ports started. */
void port_set_losses(const struct port_set *set, unsigned int worker, uint64_t *ret_missed, uint64_t *ret_no_mbuf);

static inline uint16_t port_receive(const struct port_queue *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(queue->device, queue->queue, mbufs, count);
}

/* Returns how many of the first mbufs the port took. */
static inline uint16_t port_send(const struct port_queue *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(queue->device, queue->queue, mbufs, count);
}

#endif
