/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan as files of systemd-networkd, sysctl.d and, for what these have no words for, a service: a
 * script that writes them where they differ and has them read.
 */
#include <arpa/inet.h>

#include "backend_plan.h"
#include "controlplane/config_value.h"

#define LO_FILE      "/etc/systemd/network/05-sluice-lo.network"
#define SYSCTL_FILE  "/etc/sysctl.d/90-sluice-backend.conf"
#define REST_SETUP   "/usr/local/sbin/sluice-backend-rest"
#define REST_UNDO    "/usr/local/sbin/sluice-backend-rest-undo"
#define SERVICE      "sluice-backend.service"
#define SERVICE_FILE "/etc/systemd/system/" SERVICE

static const char *address_text(const struct sl_addr *addr, char *buf)
{
	config_format_address(addr, buf, INET6_ADDRSTRLEN);
	return buf;
}

static void begin_file(const char *path, FILE *out)
{
	fprintf(out, "\nput %s <<'SLUICE_END'\n", path);
}

static void end_file(FILE *out)
{
	fputs("SLUICE_END\n", out);
}

static void write_lo(const struct backend_plan *plan, FILE *out)
{
	char text[INET6_ADDRSTRLEN];

	begin_file(LO_FILE, out);
	fputs("[Match]\nName=lo\n", out);
	for (size_t i = 0; i < plan->vip_count; i++) {
		const bool v4 = sl_addr_is_v4(&plan->vips[i]);

		fprintf(out, "\n[Address]\nAddress=%s/%d\n%s", address_text(&plan->vips[i], text), v4 ? 32 : 128,
			v4 ? "" : "DuplicateAddressDetection=none\n");
	}
	end_file(out);
}

static void write_sysctl(const struct backend_plan *plan, FILE *out)
{
	struct backend_tunnel_device device;

	begin_file(SYSCTL_FILE, out);
	fputs("# Nobody is told of the VIPs on lo.\nnet.ipv4.conf.all.arp_ignore = 1\nnet.ipv4.conf.all.arp_announce = "
	      "2\n",
	      out);
	if (plan->device[0] && !(plan->ipip && plan->tunnel == BACKEND_TUNNEL_KERNEL))
		fprintf(out, "# Answers may leave by another interface.\nnet.ipv4.conf.%s.rp_filter = 2\n",
			plan->device);
	if (backend_plan_device(plan, 0, &device))
		fputs("# Answers do not leave by the tunnel; the larger of `all` and the interface's own value "
		      "counts.\n"
		      "net.ipv4.conf.all.rp_filter = 0\n",
		      out);
	for (size_t i = 0; backend_plan_device(plan, i, &device); i++)
		fprintf(out, "-net.ipv4.conf.%s.rp_filter = 0\n", device.name);
	end_file(out);
}

static void write_tunnels(const struct backend_plan *plan, FILE *out)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN], path[80];
	struct backend_tunnel_device device;

	for (size_t i = 0; backend_plan_device(plan, i, &device); i++) {
		snprintf(path, sizeof(path), "/etc/systemd/network/05-sluice-%s.netdev", device.name);
		begin_file(path, out);
		fprintf(out, "[NetDev]\nName=%s\nKind=%s\n\n[Tunnel]\nIndependent=yes\nLocal=%s\nRemote=%s\n",
			device.name, device.kind, address_text(&device.local, local),
			backend_address_is_set(&device.remote) ? address_text(&device.remote, remote) : "any");
		if (!sl_addr_is_v4(&device.local))
			fprintf(out, "Mode=%s\n", device.mode);
		end_file(out);
		snprintf(path, sizeof(path), "/etc/systemd/network/05-sluice-%s.network", device.name);
		begin_file(path, out);
		fprintf(out, "[Match]\nName=%s\n\n[Network]\nLinkLocalAddressing=no\n", device.name);
		end_file(out);
	}
}

/* The service that runs what is left at each start of the machine. */
static void write_service(const struct backend_plan *plan, FILE *out)
{
	begin_file(REST_SETUP, out);
	backend_shell_write_rest(plan, false, out);
	end_file(out);
	begin_file(REST_UNDO, out);
	backend_shell_write_rest(plan, true, out);
	end_file(out);
	begin_file(SERVICE_FILE, out);
	fprintf(out,
		"[Unit]\nDescription=What %s needs for "
		"Sluice\nWants=network-online.target\nAfter=network-online.target\n\n"
		"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh " REST_SETUP
		"\nExecStop=/bin/sh " REST_UNDO "\n\n"
		"[Install]\nWantedBy=multi-user.target\n",
		plan->what);
	end_file(out);
	fputs("\nsystemctl daemon-reload\nsystemctl enable -q " SERVICE "\n"
	      "if [ \"$changed\" ]; then systemctl restart " SERVICE "; else systemctl start " SERVICE "; fi\n",
	      out);
}

static void write_undo(FILE *out)
{
	fputs("#!/bin/sh\n"
	      "# Takes back what sluicectl backend-setup --as networkd set up. Needs root.\n"
	      "set -eu\n"
	      "if [ -e " SERVICE_FILE " ]; then\n"
	      "\tsystemctl disable -q --now " SERVICE "\n"
	      "\trm -f " SERVICE_FILE " " REST_SETUP " " REST_UNDO "\n"
	      "\tsystemctl daemon-reload\n"
	      "fi\n"
	      "for file in /etc/systemd/network/05-sluice-*.netdev; do\n"
	      "\t[ -e \"$file\" ] || continue\n"
	      "\tname=$(sed -n 's/^Name=//p' \"$file\")\n"
	      "\trm -f \"$file\"\n"
	      "\tnetworkctl delete \"$name\" || true\n"
	      "done\n"
	      "rm -f /etc/systemd/network/05-sluice-*.network " SYSCTL_FILE "\n"
	      "networkctl reload\n"
	      "networkctl reconfigure lo || true # the VIPs go\n"
	      "# What other files say; without a word there, values stay until the next start.\n"
	      "/usr/lib/systemd/systemd-sysctl --prefix=/net/ipv4/conf\n",
	      out);
}

void backend_networkd_write(const struct backend_plan *plan, bool undo, FILE *out)
{
	if (undo) {
		write_undo(out);
		return;
	}
	fprintf(out,
		"#!/bin/sh\n"
		"# Sets up what %s needs in order to receive the packets of Sluice, in files of systemd-networkd and\n"
		"# sysctl.d. Made by sluicectl backend-setup; may be run again. Needs root.\n"
		"set -eu\n"
		"changed=\n"
		"put() {\n"
		"\tmkdir -p \"$(dirname \"$1\")\"\n"
		"\tcat >\"$1.new\"\n"
		"\tif cmp -s \"$1.new\" \"$1\"; then rm \"$1.new\"; else mv \"$1.new\" \"$1\" && changed=yes; fi\n"
		"}\n"
		"command -v networkctl >/dev/null || { echo 'sluice-backend: no systemd-networkd here: use --as shell' "
		">&2; exit 1; }\n",
		plan->what);
	write_sysctl(plan, out);
	write_tunnels(plan, out);
	write_lo(plan, out);
	fputs("\n/usr/lib/systemd/systemd-sysctl " SYSCTL_FILE " # before the addresses\n"
	      "[ -z \"$changed\" ] || networkctl reload\n",
	      out);
	if (!backend_shell_rest_is_empty(plan))
		write_service(plan, out);
}
