/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single values as they are written: "500ms", "1M", "30%", "200-299", "tcp [2001:db8::1]:53". Pure.
 * Each returns true and the value, or false and in reterr what is wrong with the text, made to follow
 * the quoted text in a sentence: "has no unit: write 2s".
 */
#ifndef CONTROLPLANE_CONFIG_VALUE_H
#define CONTROLPLANE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi.h"

enum {
	CONFIG_REASON_MAX = 200, /* bytes of a reason with its terminating zero */
};

struct config_reason {
	char text[CONFIG_REASON_MAX];
};

bool config_value_number(const char *text, uint64_t *ret_number, struct config_reason *reterr);
/* Bytes or a count; `unit_needed`: a bare number is refused. */
bool config_value_size(const char *text, bool unit_needed, uint64_t *ret_size, struct config_reason *reterr);
bool config_value_percent(const char *text, uint64_t *ret_percent, struct config_reason *reterr);
bool config_value_duration(const char *text, uint64_t *ret_ms, struct config_reason *reterr);
bool config_value_status(const char *text, uint16_t *ret_min, uint16_t *ret_max,
			 struct config_reason *reterr);
bool config_value_bool(const char *text, bool *ret_value, struct config_reason *reterr);
bool config_value_name(const char *text, size_t len, struct config_reason *reterr);
bool config_value_ifname(const char *text, size_t len, struct config_reason *reterr);
bool config_value_address(const char *text, struct sl_addr *ret_addr, struct config_reason *reterr);
/* "tcp 192.0.2.10:80"; port 0 is "*". */
bool config_value_listener(const char *text, uint8_t *ret_proto, struct sl_addr *ret_addr, uint16_t *ret_port,
			   struct config_reason *reterr);
/* "af_xdp:eth1": fills kind and device. */
bool config_value_device(const char *text, struct sl_port_config *port, struct config_reason *reterr);

/* The shortest way to write it; buf of 32 bytes is enough. */
void config_format_duration(uint64_t ms, char *buf, size_t size);
void config_format_size(uint64_t bytes, char *buf, size_t size);
/* As people write it; buf of INET6_ADDRSTRLEN. */
void config_format_address(const struct sl_addr *addr, char *buf, size_t size);
bool config_is_prime(uint64_t number);

#endif
