/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the memory of connections did, and every guess it made: where a packet's connection was not
 * remembered in a row that changed, its backend is inferred from the row, and that may be wrong. Append-only:
 * a number is a position in the statistics.
 */
#ifndef SLUICE_FLOW_COUNTER_H
#define SLUICE_FLOW_COUNTER_H

#include "limits.h"

enum sl_flow_counter {
	SL_FLOW_COUNT_FOUND = 0,         /* packets of remembered connections */
	SL_FLOW_COUNT_FOUND_SHARED,      /* of those: found in the shared table after the worker's own had none */
	SL_FLOW_COUNT_STORED_START,      /* connections remembered by the packet that started them */
	SL_FLOW_COUNT_KEPT_START,        /* starts on a remembered connection that stayed where it was */
	SL_FLOW_COUNT_REPLACED,          /* starts that replaced what was remembered */
	SL_FLOW_COUNT_GUESS_BASE,        /* connections of open rows, first seen now: went to base and are remembered there */
	SL_FLOW_COUNT_GUESS_BASE_FULL,   /* packets of such connections that the full table did not remember */
	SL_FLOW_COUNT_GUESS_CURRENT,     /* packets of such connections whose base may not serve: went to current */
	SL_FLOW_COUNT_GUESS_ICMP,        /* ICMP errors about a connection of an open row that nobody remembers */
	SL_FLOW_COUNT_START_BASE,        /* starts that went to base because the table is full */
	SL_FLOW_COUNT_LOST,              /* packets of remembered connections whose backend may not serve any more */
	SL_FLOW_COUNT_REFUSED,           /* connections that found no room in their bucket */
	SL_FLOW_COUNT_UNCONFIRMED_OUT,   /* connections pushed out by newer ones before their second packet */
	SL_FLOW_COUNT_EXPORT_LATE,       /* connections that could not be told to the shared table at once */
	SL_FLOW_COUNT_COUNT,
};

_Static_assert((int)SL_FLOW_COUNT_COUNT <= (int)SL_FLOW_COUNTERS, "raise SL_FLOW_COUNTERS and the ABI version");

/* The counter's word in tools, documentation and metrics. Any thread; never NULL. */
static inline const char *sl_flow_counter_name(enum sl_flow_counter counter)
{
	switch (counter) { /* no default: the compiler finds the forgotten one */
	case SL_FLOW_COUNT_FOUND: return "found";
	case SL_FLOW_COUNT_FOUND_SHARED: return "found_shared";
	case SL_FLOW_COUNT_STORED_START: return "stored_start";
	case SL_FLOW_COUNT_KEPT_START: return "kept_start";
	case SL_FLOW_COUNT_REPLACED: return "replaced";
	case SL_FLOW_COUNT_GUESS_BASE: return "guess_base";
	case SL_FLOW_COUNT_GUESS_BASE_FULL: return "guess_base_full";
	case SL_FLOW_COUNT_GUESS_CURRENT: return "guess_current";
	case SL_FLOW_COUNT_GUESS_ICMP: return "guess_icmp";
	case SL_FLOW_COUNT_START_BASE: return "start_base";
	case SL_FLOW_COUNT_LOST: return "lost";
	case SL_FLOW_COUNT_REFUSED: return "refused";
	case SL_FLOW_COUNT_UNCONFIRMED_OUT: return "unconfirmed_out";
	case SL_FLOW_COUNT_EXPORT_LATE: return "export_late";
	case SL_FLOW_COUNT_COUNT: break;
	}
	return "unknown";
}

#endif
