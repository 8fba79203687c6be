/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Refuses what is no text before the YAML parser sees it. Private to config_*.c.
 */
#ifndef CONTROLPLANE_CONFIG_TEXT_H
#define CONTROLPLANE_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "config_errors.h"

/* False when the bytes are not UTF-8, or hold characters that YAML forbids; *errors then says where. */
bool config_text_check(const char *text, size_t len, struct config_errors *errors);

#endif
