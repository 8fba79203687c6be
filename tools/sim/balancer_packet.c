/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From packets to results: what the forwarder says, with the names of the configuration.
 */
#include <string.h>

#include "balancer_parts.h"

static void name_them(const struct balancer *b, struct balancer_result *result)
{
	const struct sl_packet *pkt = result->pkt;

	for (size_t i = 0; pkt->service != NULL && i < b->model->service_count; i++)
		if (b->model->services[i].id == pkt->service->id)
			result->service = b->model->services[i].conf->name;
	for (size_t i = 0; pkt->pool != NULL && i < b->model->pool_count; i++) {
		const struct model_pool *pool = &b->model->pools[i];

		if (pool->id != pkt->pool->id)
			continue;
		result->pool = pool->conf->name;
		for (size_t k = 0; k < pool->backend_count; k++) {
			if (pkt->backend != NULL && pool->backends[k].slot == pkt->backend->slot)
				result->backend = pool->backends[k].conf->name;
			if (result->open && pool->backends[k].slot == pkt->base)
				result->base = pool->backends[k].conf->name;
		}
	}
}

/* Under pressure no row closes; when it begins or ends the model has to be asked. */
static void take_pressure(struct balancer *b, uint64_t now_ms)
{
	const bool before = b->model->pressure, now = forwarder_pressure(b->forwarder);

	if (before != now)
		b->due_ms = now_ms;
	if (before || now)
		model_set_pressure(b->model, now, now_ms);
}

/* What the forwarder's last packet came to: everything but the verdict. */
static void tell_result(struct balancer *b, const struct sl_packet *pkt, uint64_t now_ns, struct balancer_result *result)
{
	struct forwarder_frame left;

	result->pkt = pkt;
	result->in = network_port_name(b->network, pkt->port);
	result->open = (pkt->flags & SL_PKT_OPEN) != 0;
	result->flow_counts = forwarder_flow_counts(b->forwarder);
	take_pressure(b, now_ns / 1000000);
	result->generation = snapshot_generation(b->snapshot);
	if (forwarder_leaves(pkt, result->verdict)) {
		result->out = network_port_name(b->network, pkt->out_port);
		while (forwarder_frame(b->forwarder, result->out_frames, &left)) {
			result->out_length += left.length;
			result->out_frames++;
		}
	}
	name_them(b, result);
}

void balancer_packet(struct balancer *b, const uint8_t *frame, uint32_t captured, uint32_t frame_len,
		     uint64_t now_ns, struct balancer_result *ret_result)
{
	const struct sl_packet *pkt;
	struct balancer_result result = {.verdict = forwarder_run(b->forwarder, frame, captured, frame_len,
								  network_receive_port(b->network), now_ns, &pkt)};

	tell_result(b, pkt, now_ns, &result);
	*ret_result = result;
}

bool balancer_next(struct balancer *b, uint64_t now_ns, uint64_t *ret_number, struct balancer_result *ret_result)
{
	struct balancer_result result = {0};
	const struct sl_packet *pkt;

	if (!forwarder_next(b->forwarder, now_ns, ret_number, &result.verdict, &pkt))
		return false;
	tell_result(b, pkt, now_ns, &result);
	*ret_result = result;
	return true;
}

void balancer_give_up(struct balancer *b)
{
	forwarder_give_up(b->forwarder);
}

const struct snapshot *balancer_snapshot(const struct balancer *b)
{
	return b->snapshot;
}

const struct sl_port *balancer_ports(const struct balancer *b, size_t *ret_count)
{
	return network_ports(b->network, ret_count);
}

uint16_t balancer_receive_port(const struct balancer *b)
{
	return network_receive_port(b->network);
}

bool balancer_frame(struct balancer *b, unsigned int index, struct forwarder_frame *ret_frame)
{
	return forwarder_frame(b->forwarder, index, ret_frame);
}
