/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The maps of the XDP program where the kernel keeps them: which are kept by the next start, and what bigger ones that
 * take their place begin with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "controlplane/steering.h"
#include "controlplane/xdp_maps.h"

#include "netns.h"

#define BPFFS "/sys/fs/bpf"

enum { TAG = 77, ROWS = 4099, FLOWS = 4000 };

static const struct sl_shm_limits small = { .services = 64, .pools = 64, .backends = 64, .neighbors = 64 };
static const struct sl_shm_limits large = { .services = 4096, .pools = 64, .backends = 64, .neighbors = 64 };

static struct steering *create(void)
{
	struct steering *steering;
	struct error_text error;
	bool own;

	if (steering_create(BPFFS, "maps", &steering, &own, &error) < 0)
		fail_msg("%s", error.text);
	return steering;
}

static int grow(struct steering *steering, const struct sl_shm_limits *limits)
{
	const struct xdp_capacity capacity = xdp_maps_capacity(limits, ROWS, limits == &large ? FLOWS * 1000 : FLOWS);
	struct error_text error;
	const int grown = steering_grow(steering, &capacity, &error);

	if (grown < 0)
		fail_msg("%s", error.text);
	return grown;
}

static struct steering_port attach(struct steering *steering)
{
	struct steering_port port;
	struct error_text error;

	if (steering_attach(steering, "v0", 0, STEERING_NATIVE_ONLY, &port, &error) < 0)
		fail_msg("%s", error.text);
	return port;
}

static struct sl_xdp_root *root_of(struct steering *steering)
{
	return xdp_maps_at(steering_maps(steering), XDP_MAP_ROOT, 0);
}

static int setup(void **state)
{
	struct steering *steering;

	netns_run("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	steering = create();
	assert_int_equal(grow(steering, &small), 1);
	attach(steering);
	root_of(steering)->version = SL_XDP_VERSION;
	root_of(steering)->action = SL_XDP_FORWARD;
	*state = steering;
	return 0;
}

static int teardown(void **state)
{
	steering_detach_all(*state);
	steering_destroy(*state);
	netns_run("ip link del v0");
	return 0;
}

static void maps_that_are_large_enough_are_kept_by_the_next_start(void **state)
{
	steering_destroy(*state); /* as after kill -9: all of it is pinned */
	*state = create();
	assert_int_equal(grow(*state, &small), 0);
	assert_false(steering_is_moving(*state));
	assert_true(attach(*state).adopted);
	assert_int_equal(root_of(*state)->action, SL_XDP_FORWARD);
}

static void bigger_maps_act_as_those_before_and_remember_what_they_did(void **state)
{
	const uint64_t tag = TAG;
	struct sl_xdp_flow flow = { .tag = TAG, .row = 5, .slot = 1 };
	const struct xdp_maps *maps = steering_maps(*state);
	struct error_text error;

	assert_int_equal(bpf_map_update_elem(maps->map[XDP_MAP_FLOWS].fd, &tag, &flow, BPF_ANY), 0);
	assert_int_equal(grow(*state, &small), 0);
	assert_int_equal(grow(*state, &large), 1);
	assert_true(steering_is_moving(*state));
	assert_int_equal(root_of(*state)->action, SL_XDP_FORWARD); /* before any program goes by them */
	assert_int_equal(root_of(*state)->version, 0);             /* and no generation yet */
	flow.row = 0;
	maps = steering_maps(*state);
	assert_int_equal(bpf_map_lookup_elem(maps->map[XDP_MAP_FLOWS].fd, &tag, &flow), 0);
	assert_int_equal(flow.row, 5);
	assert_int_equal(steering_move(*state, &error), 0);
	assert_false(steering_is_moving(*state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(maps_that_are_large_enough_are_kept_by_the_next_start, setup, teardown),
		cmocka_unit_test_setup_teardown(bigger_maps_act_as_those_before_and_remember_what_they_did, setup, teardown),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
