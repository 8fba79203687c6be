/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model with two configurations to go between (setup takes the first over) and a publisher that remembers
 * what it was told. One checked pool "web" of backends web1 …, and one service of it.
 */
#ifndef TESTS_SUPPORT_MODEL_FIXTURE_H
#define TESTS_SUPPORT_MODEL_FIXTURE_H

#include "controlplane/model.h"
#include "tests/support/recording_publisher.h"

enum { MODEL_FIXTURE_BACKENDS = 4, MODEL_FIXTURE_ROWS = 1009 };

struct model_fixture {
	struct publisher publisher;
	struct model *model;
	struct config config[2];
	struct config_backend backends[2][MODEL_FIXTURE_BACKENDS];
	struct config_pool pool[2], two_pools[2];
	struct config_service service[2], two_services[2];
	struct config_listener listener[2], other_listener;
	struct config_vip vip[2];
	struct config_check check;
	unsigned int empty, serving, forgotten;
	char forgotten_text[256]; /* pool/backend, who */
};

struct sl_addr model_fixture_address(unsigned int last); /* 192.0.2.`last` */
/* Configuration `i`: one service, one checked pool of `count` backends web1 … at 192.0.2.21 … */
void model_fixture_config(struct model_fixture *f, int i, size_t count);
int model_fixture_setup(void **state);
int model_fixture_teardown(void **state);
/* The probe of that backend, counted from 0, says so. */
void model_fixture_probe(struct model_fixture *f, unsigned int backend, enum backend_status health);
void model_fixture_all_up(struct model_fixture *f); /* and a generation */
size_t model_fixture_rows(const struct model_fixture *f, uint16_t slot); /* of the table as published */

#endif
