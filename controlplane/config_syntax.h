/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libyaml found wrong, in words that say the remedy. Private to config_parse.c.
 */
#ifndef CONTROLPLANE_CONFIG_SYNTAX_H
#define CONTROLPLANE_CONFIG_SYNTAX_H

#include <stddef.h>
#include <yaml.h>

#include "config_errors.h"

/* Of a parser whose yaml_parser_parse() failed over `text`; where it went wrong is in *ret_mark. */
void config_syntax_describe(const yaml_parser_t *yaml, const char *text, size_t len, yaml_mark_t *ret_mark,
			    struct config_message *ret_message);

#endif
