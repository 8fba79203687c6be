/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan as an Ansible playbook of built-in modules: the shell scripts and a service that runs them at
 * each start of the machine.
 */
#include <stdlib.h>

#include "backend_plan.h"

#define SETUP   "/usr/local/sbin/sluice-backend-setup"
#define UNDO    "/usr/local/sbin/sluice-backend-undo"
#define SERVICE "sluice-backend.service"

/* The script as a block of YAML, indented. Where there is no memory for it, the playbook says so and fails. */
static void write_script(const struct backend_plan *plan, bool undo, FILE *out)
{
	char *script = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&script, &size);
	bool begins = true;

	if (memory == NULL) {
		fputs("          exit 1 # no memory to write this script: make the playbook again\n", out);
		return;
	}
	backend_shell_write(plan, undo, memory);
	if (fclose(memory) == 0) {
		for (const char *c = script; *c; c++) {
			if (begins && *c != '\n')
				fputs("          ", out);
			fputc(*c, out);
			begins = *c == '\n';
		}
	}
	free(script);
}

static void write_file(const char *path, const char *mode, FILE *out)
{
	fprintf(out,
		"    - name: %s\n      ansible.builtin.copy:\n        dest: %s\n        mode: \"%s\"\n        content: "
		"|\n",
		path, path, mode);
}

static void write_setup(const struct backend_plan *plan, FILE *out)
{
	if (backend_plan_has_program(plan))
		fprintf(out,
			"    - name: the program that unwraps tunnels\n"
			"      ansible.builtin.copy:\n"
			"        src: \"{{ sluice_decap_object | default('%s') }}\"\n"
			"        dest: %s\n"
			"        mode: \"0644\"\n"
			"      notify: restart\n"
			"    - name: what loads it\n"
			"      ansible.builtin.package:\n"
			"        name: bpftool\n",
			plan->object, plan->object);
	write_file(SETUP, "0755", out);
	write_script(plan, false, out);
	fputs("      notify: restart\n", out);
	write_file(UNDO, "0755", out);
	write_script(plan, true, out);
	write_file("/etc/systemd/system/" SERVICE, "0644", out);
	fprintf(out,
		"          [Unit]\n"
		"          Description=What %s needs for Sluice\n"
		"          Wants=network-online.target\n"
		"          After=network-online.target\n"
		"\n"
		"          [Service]\n"
		"          Type=oneshot\n"
		"          RemainAfterExit=yes\n"
		"          ExecStart=" SETUP "\n"
		"          ExecStop=" UNDO "\n"
		"\n"
		"          [Install]\n"
		"          WantedBy=multi-user.target\n"
		"      notify: restart\n"
		"    - name: it runs, now and at each start\n"
		"      ansible.builtin.systemd:\n"
		"        name: " SERVICE "\n"
		"        daemon_reload: true\n"
		"        enabled: true\n"
		"        state: started\n"
		"  handlers:\n"
		"    - name: restart\n"
		"      ansible.builtin.command: /bin/sh " SETUP "\n"
		"      changed_when: true\n",
		plan->what);
}

static void write_undo(FILE *out)
{
	fputs("    - name: is it there\n"
	      "      ansible.builtin.stat:\n"
	      "        path: /etc/systemd/system/" SERVICE "\n"
	      "      register: service\n"
	      "    - name: it stops, which takes everything back\n"
	      "      ansible.builtin.systemd:\n"
	      "        name: " SERVICE "\n"
	      "        enabled: false\n"
	      "        state: stopped\n"
	      "      when: service.stat.exists\n"
	      "    - name: nothing is left\n"
	      "      ansible.builtin.file:\n"
	      "        path: \"{{ item }}\"\n"
	      "        state: absent\n"
	      "      loop: [/etc/systemd/system/" SERVICE ", " SETUP ", " UNDO "]\n"
	      "    - name: systemd forgets it\n"
	      "      ansible.builtin.systemd:\n"
	      "        daemon_reload: true\n",
	      out);
}

void backend_ansible_write(const struct backend_plan *plan, bool undo, FILE *out)
{
	fprintf(out,
		"---\n"
		"# %s what %s needs in order to receive the packets of Sluice. Made by sluicectl backend-setup;\n"
		"# run it with ansible-playbook -i INVENTORY -e sluice_backends=HOSTS.\n"
		"- name: Sluice backend\n"
		"  hosts: \"{{ sluice_backends | default('all') }}\"\n"
		"  become: true\n"
		"  gather_facts: false\n"
		"  tasks:\n",
		undo ? "Takes back" : "Sets up", plan->what);
	if (undo)
		write_undo(out);
	else
		write_setup(plan, out);
}
