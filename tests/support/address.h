/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as tests write them. Include it after cmocka.h: it asserts.
 */
#ifndef TESTS_SUPPORT_ADDRESS_H
#define TESTS_SUPPORT_ADDRESS_H

#include <arpa/inet.h>

#include "sluice/types.h"

static inline struct sl_addr address(const char *text)
{
	struct sl_addr addr;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return sl_addr_from_v4(v4.s_addr);
	assert_int_equal(inet_pton(AF_INET6, text, addr.b), 1);
	return addr;
}

#endif
