/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam for fragments that are addressed to a VIP. Today they end in a verdict of their own; their
 * ports are never read. A fragment table answers here later, and only here.
 */
#ifndef SLUICE_CORE_FRAGMENT_H
#define SLUICE_CORE_FRAGMENT_H

#include "env.h"

/* A fragment to a VIP. FORWARD would mean: service and key are known now, go on with select. */
SL_INLINE enum sl_verdict sl_fragment(struct sl_env *env, struct sl_packet *pkt)
{
	(void)env;
	(void)pkt;
	return SL_VERDICT_DROP_FRAGMENT;
}

#endif
