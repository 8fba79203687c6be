// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * Passes every frame to the kernel. On the far end of a veth whose near end transmits from XDP: the kernel delivers
 * such frames only to an end that has a program of its own.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
