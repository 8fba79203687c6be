/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan as a shell script (POSIX, with iproute2 and, for the program, bpftool), which is also what
 * --apply runs. It remembers each setting's former value in a folder, for the undo; a second run does
 * nothing new.
 */
#include <arpa/inet.h>

#include "backend_plan.h"
#include "controlplane/config_value.h"

enum { TC_PREFERENCE = 4041 }; /* of the filter in tc; the number is its name */

struct text {
	char s[INET6_ADDRSTRLEN];
};

static struct text text_of(const struct sl_addr *addr)
{
	struct text text;

	config_format_address(addr, text.s, sizeof(text.s));
	return text;
}

/* ---- parts of every script ---- */

static void write_head(const struct backend_plan *plan, bool undo, FILE *out)
{
	fprintf(out,
		"#!/bin/sh\n"
		"# %s what %s needs in order to receive the packets of Sluice. Made by sluicectl\n"
		"# backend-setup; may be run again. Needs root, or CAP_NET_ADMIN%s.\n"
		"set -eu\n"
		"state=%s\n"
		"fail() { echo \"sluice-backend: $*\" >&2; exit 1; }\n"
		"need() { command -v \"$1\" >/dev/null || fail \"there is no $1 here: install the package $2\"; }\n"
		"PATH=$PATH:/usr/sbin:/sbin\n"
		"need ip iproute2\n",
		undo ? "Takes back" : "Sets up", plan->what,
		backend_plan_has_program(plan) ? ", CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN to mount bpffs" : "",
		plan->state);
	if (undo)
		fputs("restore() {\n"
		      "\tfile=$state/$1.$2.$3.$4\n"
		      "\t[ -e \"$file\" ] || return 0\n"
		      "\tread -r was <\"$file\"\n"
		      "\t[ ! -e \"/proc/sys/net/$1/$2/$3/$4\" ] || echo \"$was\" >\"/proc/sys/net/$1/$2/$3/$4\" ||\n"
		      "\t\tfail \"cannot set net.$1.$2.$3.$4: run this as root or with CAP_NET_ADMIN\"\n"
		      "\trm \"$file\"\n"
		      "}\n",
		      out);
	else
		fputs("mkdir -p \"$state\" || fail \"cannot make $state, which remembers what was before: say "
		      "--state\"\n"
		      "setting() {\n"
		      "\tfile=/proc/sys/net/$1/$2/$3/$4\n"
		      "\t[ -e \"$file\" ] || fail \"there is no net.$1.$2.$3.$4 here: is the interface there?\"\n"
		      "\twas=$(cat \"$file\")\n"
		      "\t[ -e \"$state/$1.$2.$3.$4\" ] || echo \"$was\" >\"$state/$1.$2.$3.$4\"\n"
		      "\t[ \"$was\" = \"$5\" ] || echo \"$5\" >\"$file\" ||\n"
		      "\t\tfail \"cannot set net.$1.$2.$3.$4: run this as root or with CAP_NET_ADMIN\"\n"
		      "}\n",
		      out);
}

/* Sets `name` (four words), or takes it back. */
static void write_setting(bool undo, const char *name, const char *value, FILE *out)
{
	fprintf(out, undo ? "restore %s\n" : "setting %s %s\n", name, value);
}

/* ---- VIPs: accepted, never told to the network ---- */

static void write_vips(const struct backend_plan *plan, bool undo, FILE *out)
{
	if (!undo) {
		fputs("\n# The VIPs are addresses here, and nobody else is told: first the rules, then the "
		      "addresses.\n",
		      out);
		write_setting(undo, "ipv4 conf all arp_ignore", "1", out);
		write_setting(undo, "ipv4 conf all arp_announce", "2", out);
		if (plan->device[0] && !(plan->ipip && plan->tunnel == BACKEND_TUNNEL_KERNEL)) {
			fputs("# Answers may leave by another interface than the one that requests come in by.\n", out);
			fprintf(out, "setting ipv4 conf %s rp_filter 2\n", plan->device);
		}
		fputs("ip -batch - <<'END' || fail \"cannot add the VIPs to lo: run this as root or with "
		      "CAP_NET_ADMIN\"\n",
		      out);
	} else {
		fputs("\nip -force -batch - <<'END' 2>/dev/null || true\n", out);
	}
	for (size_t i = 0; i < plan->vip_count; i++) {
		const bool v4 = sl_addr_is_v4(&plan->vips[i]);

		fprintf(out, "addr %s %s/%d dev lo%s\n", undo ? "del" : "replace", text_of(&plan->vips[i]).s,
			v4 ? 32 : 128, !undo && !v4 ? " nodad" : "");
	}
	fputs("END\n", out);
	if (!undo)
		return;
	fputs("# The rules last: an address that was still there would have been announced.\n", out);
	write_setting(undo, "ipv4 conf all arp_ignore", "", out);
	write_setting(undo, "ipv4 conf all arp_announce", "", out);
	if (plan->device[0])
		fprintf(out, "restore ipv4 conf %s rp_filter\n", plan->device);
}

/* ---- the kernel's tunnel devices ---- */

static void write_device(const struct backend_tunnel_device *device, FILE *out)
{
	const bool any = !backend_address_is_set(&device->remote);

	fprintf(out, "tunnel %s %s %s %s %s\n", device->name, device->kind, device->mode, text_of(&device->local).s,
		any ? "any" : text_of(&device->remote).s);
}

static void write_devices(const struct backend_plan *plan, bool undo, FILE *out)
{
	struct backend_tunnel_device device;

	if (!plan->ipip || plan->tunnel != BACKEND_TUNNEL_KERNEL)
		return;
	fputs("\n# One device for each balancer, so that nobody else's tunnels end here.\nkept=\n", out);
	if (!undo)
		fputs("tunnel() {\n"
		      "\tkept=\"$kept $1 \"\n"
		      "\tmodprobe -q \"$2\" 2>/dev/null || true # may be built in\n"
		      "\tip link show dev \"$1\" >/dev/null 2>&1 ||\n"
		      "\t\tip link add \"$1\" type \"$2\" mode \"$3\" local \"$4\" remote \"$5\" ||\n"
		      "\t\tfail \"cannot make a tunnel device of kind $2: where this kernel has no module $2,\" \\\n"
		      "\t\t\t\"use --tunnel xdp; else run this as root or with CAP_NET_ADMIN\"\n"
		      "\tip link set \"$1\" up\n"
		      "\tsetting ipv4 conf \"$1\" rp_filter 0\n"
		      "}\n"
		      "# Answers do not leave by the tunnel; the larger of `all` and the interface's own value "
		      "counts.\n"
		      "setting ipv4 conf all rp_filter 0\n",
		      out);
	for (size_t i = 0; !undo && backend_plan_device(plan, i, &device); i++)
		write_device(&device, out);
	fputs("ip -o link show | while IFS=': @' read -r _ name _; do # those of an earlier list of balancers\n"
	      "\tcase $name in\n"
	      "\tsl44????????|sl64????????|slt6????????" /* no trigraph */ ")\n"
	      "\t\tcase $kept in *\" $name \"*) continue ;; esac\n"
	      "\t\tip link del \"$name\" && rm -f \"$state/ipv4.conf.$name.rp_filter\" ;;\n"
	      "\tesac\n"
	      "done\n",
	      out);
	if (undo)
		fputs("restore ipv4 conf all rp_filter\n", out);
}

/* ---- the program ---- */

static void write_key(const struct sl_addr *addr, FILE *out)
{
	for (size_t i = 0; i < 16; i++)
		fprintf(out, " %02x", addr->b[i]);
	fputs(" value hex 01 00 00 00\n", out);
}

static void write_maps(const struct backend_plan *plan, FILE *out)
{
	fputs("bpftool batch file - <<END >/dev/null || fail \"cannot fill the maps of $object: is it of this "
	      "version?\"\n",
	      out);
	for (size_t i = 0; i < plan->own_count; i++) {
		fputs("map update pinned $pins/decap_own key hex", out);
		write_key(&plan->own[i], out);
	}
	for (size_t i = 0; i < plan->from_count; i++) {
		fprintf(out, "map update pinned $pins/decap_sources key hex %02x 00 00 00", plan->from[i].prefix_len);
		write_key(&plan->from[i].addr, out);
	}
	for (size_t i = 0; i < plan->vip_count; i++) {
		fputs("map update pinned $pins/decap_vips key hex", out);
		write_key(&plan->vips[i], out);
	}
	fputs("END\n", out);
}

/* Sets `ours`: the id of our XDP program on $device, and fails where another one is; empty: none. */
static void write_find_program(FILE *out)
{
	fputs("ours=$(ip -o link show dev \"$device\" | sed -n 's/.*prog\\/xdp id \\([0-9]*\\).*/\\1/p')\n"
	      "if [ \"$ours\" ] && ! bpftool prog show id \"$ours\" | grep -q ' name sluice_decap '; then\n"
	      "\tfail \"$device carries another XDP program, number $ours (bpftool prog show id $ours names it): use "
	      "--tunnel tc\"\n"
	      "fi\n",
	      out);
}

static void write_attach(const struct backend_plan *plan, FILE *out)
{
	if (plan->tunnel == BACKEND_TUNNEL_TC) {
		fprintf(out,
			"tc qdisc show dev \"$device\" clsact | grep -q clsact || tc qdisc add dev \"$device\" clsact "
			"||\n"
			"\tfail \"cannot add a clsact qdisc to $device: the kernel needs NET_SCH_INGRESS and "
			"NET_CLS_BPF\"\n"
			"tc filter replace dev \"$device\" ingress pref %d handle 1 protocol all bpf direct-action \\\n"
			"\tobject-pinned \"$pins/sluice_decap_tc\" || fail \"$device does not take the program in "
			"tc\"\n",
			TC_PREFERENCE);
		return;
	}
	fprintf(out,
		"bpftool net attach %s pinned \"$pins/sluice_decap\" dev \"$device\" ${ours:+overwrite} ||\n"
		"\tfail \"$device does not take the program: lower its MTU, or use --tunnel xdp-generic or --tunnel "
		"tc\"\n",
		plan->tunnel == BACKEND_TUNNEL_XDP ? "xdp" : "xdpgeneric");
}

static void write_program(const struct backend_plan *plan, bool undo, FILE *out)
{
	const bool tc = plan->tunnel == BACKEND_TUNNEL_TC;

	if (!backend_plan_has_program(plan))
		return;
	fprintf(out, "\n# The end of the tunnels is a program on %s.\ndevice=%s\nneed bpftool bpftool\n%s",
		plan->device, plan->device, tc ? "need tc iproute2\n" : "");
	if (undo) {
		fputs("if ip link show dev \"$device\" >/dev/null 2>&1; then\n", out);
		if (tc)
			fprintf(out, "\ttc filter del dev \"$device\" ingress pref %d 2>/dev/null || true\n",
				TC_PREFERENCE);
		else
			write_find_program(out);
		if (!tc)
			fprintf(out, "\t[ -z \"$ours\" ] || bpftool net detach %s dev \"$device\"\n",
				plan->tunnel == BACKEND_TUNNEL_XDP ? "xdp" : "xdpgeneric");
		fputs("fi\n", out);
		return;
	}
	fprintf(out,
		"object=%s\n"
		"[ -r \"$object\" ] || fail \"there is no $object here: copy it from a balancer, or say --object\"\n"
		"ip link show dev \"$device\" >/dev/null 2>&1 || fail \"there is no interface $device here: say "
		"--device\"\n",
		plan->object);
	if (!tc)
		write_find_program(out);
	fputs("grep -q ' /sys/fs/bpf bpf ' /proc/mounts || mount -t bpf bpf /sys/fs/bpf ||\n"
	      "\tfail \"cannot mount a BPF file system at /sys/fs/bpf: run this as root\"\n"
	      "pins=/sys/fs/bpf/sluice-decap-$$ # for a moment: the interface keeps program and maps\n"
	      "trap 'rm -rf \"$pins\"' EXIT\n"
	      "said=$(bpftool prog loadall \"$object\" \"$pins\" pinmaps \"$pins\" 2>&1) || fail \"the kernel refuses "
	      "$object\" \\\n"
	      "\t\"(it needs Linux 5.15, root or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON): $(echo \"$said\" | tail -n "
	      "1)\"\n",
	      out);
	write_maps(plan, out);
	write_attach(plan, out);
}

/* ---- MTU ---- */

static void write_mtu(const struct backend_plan *plan, bool undo, FILE *out)
{
	if (plan->mtu == 0)
		return;
	fprintf(out, "\ndevice=%s\n", plan->device);
	if (undo) {
		fputs("if [ -e \"$state/mtu.$device\" ]; then\n"
		      "\tread -r was <\"$state/mtu.$device\"\n"
		      "\tip link set dev \"$device\" mtu \"$was\"\n"
		      "\trm \"$state/mtu.$device\"\n"
		      "fi\n",
		      out);
		return;
	}
	fprintf(out,
		"was=$(ip -o link show dev \"$device\" | sed -n 's/.* mtu \\([0-9]*\\).*/\\1/p')\n"
		"[ -e \"$state/mtu.$device\" ] || echo \"$was\" >\"$state/mtu.$device\"\n"
		"[ \"$was\" = %u ] || ip link set dev \"$device\" mtu %u ||\n"
		"\tfail \"$device does not take an MTU of %u: use --mss instead\"\n",
		plan->mtu, plan->mtu, plan->mtu);
}

static void write_mss(const struct backend_plan *plan, bool undo, FILE *out)
{
	if (plan->mss == 0)
		return;
	fputs("\n# The segments that clients may send, on every default route.\n"
	      "for family in -4 -6; do\n"
	      "\tip -o $family route show default | sed 's/ advmss [0-9]*//; s/ linkdown//; s/ dead//' | while read -r "
	      "route; do\n",
	      out);
	fputs("\t\t# shellcheck disable=SC2086\n", out);
	fprintf(out, undo ? "\t\tip $family route replace $route\n" : "\t\tip $family route replace $route advmss %u\n",
		plan->mss);
	fputs("\tdone\ndone\n", out);
}

/* ---- whole scripts ---- */

bool backend_shell_rest_is_empty(const struct backend_plan *plan)
{
	return !backend_plan_has_program(plan) && plan->mtu == 0 && plan->mss == 0;
}

void backend_shell_write_rest(const struct backend_plan *plan, bool undo, FILE *out)
{
	write_head(plan, undo, out);
	write_mtu(plan, undo, out);
	write_program(plan, undo, out);
	write_mss(plan, undo, out);
}

void backend_shell_write(const struct backend_plan *plan, bool undo, FILE *out)
{
	write_head(plan, undo, out);
	if (undo) {
		write_vips(plan, undo, out);
		write_mss(plan, undo, out);
		write_program(plan, undo, out);
		write_devices(plan, undo, out);
		write_mtu(plan, undo, out);
		fputs("rmdir \"$state\" 2>/dev/null || true\n", out);
		return;
	}
	write_mtu(plan, undo, out);
	write_vips(plan, undo, out);
	write_devices(plan, undo, out);
	write_program(plan, undo, out);
	write_mss(plan, undo, out);
}
