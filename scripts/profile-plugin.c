// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU's TCG that counts each instruction of marked stretches of
 * what runs in the machine, by where it is and by who called, or by which
 * processor executes it.
 *
 * The program in the machine marks stretches with the instructions that
 * tools/testing/selftests/iommufd/profile_mark.h has: begin, end, and, when it
 * knows that the last stretch is wanted, keep, of one of a few kinds. Nothing
 * else is counted.
 *
 * Arguments: out=FILE, and functions=FILE or processors=on.
 *
 * By where it is: the latter file has the address of each function of the
 * kernel, in hexadecimal, one a line, ascending, and behind it 1 if it is where
 * exceptions, interrupts or system calls begin, else 0. One processor only.
 * Written when the machine ends:
 *
 *   kind KIND STRETCHES
 *   insn KIND ADDRESS COUNT
 *   node KIND DEPTH ADDRESS CALLS COUNT
 *
 * Nodes are a tree in the order of a walk that visits a function before what
 * it calls; their COUNT is what was executed in that function itself. ADDRESS
 * 0 is user space. To arrive at the first instruction of another function is to
 * call it, however that came about.
 *
 * By processor: a line for each stretch that is kept, in their order, with what
 * each processor of the machine has executed from its begin to its end, whatever
 * that was, interrupts and the way into idleness included; the first is the one
 * that the marks are on. QEMU is to have one thread for all processors (as with
 * -icount), so that none runs on while another is at a mark. The guest is a
 * Linux for x86-64.
 *
 *   stretch KIND COUNT...
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile_mark.h"

/* -- what is used of QEMU's plugin interface, version 4 -- */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
struct qemu_plugin_register;
struct qemu_info_t;

typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

typedef struct {
	struct qemu_plugin_register *handle;
	const char *name;
	const char *feature;
} qemu_plugin_reg_descriptor;

/* Both with what GLib has behind it */
typedef struct {
	qemu_plugin_reg_descriptor *data;
	unsigned int len;
} GArray;

typedef struct {
	uint8_t *data;
	unsigned int len;
} GByteArray;

enum { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS };
enum { QEMU_PLUGIN_COND_NE = 3 };

typedef void (*insn_fn)(unsigned int cpu, void *data);

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
void qemu_plugin_u64_set(qemu_plugin_u64 entry, unsigned int cpu,
			 uint64_t value);
GByteArray *g_byte_array_new(void);
GByteArray *g_byte_array_set_size(GByteArray *bytes, unsigned int size);
GArray *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle,
			      GByteArray *value);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
		void (*callback)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_atexit_cb(uint64_t id,
		void (*callback)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest,
			     size_t size);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
		insn_fn callback, int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cond_cb(struct qemu_plugin_insn *insn,
		insn_fn callback, int flags, int condition,
		qemu_plugin_u64 entry, uint64_t operand, void *data);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
		insn_fn callback, int flags, void *data);

int qemu_plugin_version = 4;

/* -- what is known of each instruction -- */


enum flow {
	FLOW_NEXT,
	FLOW_JUMP,
	FLOW_CALL,
	FLOW_RETURN,
	FLOW_LEAVE,		/* from an exception or a system call */
};

struct insn {
	uint64_t address;
	uint64_t next;		/* where the one behind it is */
	enum flow flow;
	const struct function *function;	/* that begins here */
	uint64_t count;		/* in the present stretch */
	uint64_t kept[PROFILE_KINDS];
	struct insn *same_hash;
	struct insn *counted;	/* the next that has a count */
};

#define HASH_BITS 16
static struct insn *insns[1 << HASH_BITS];
static struct insn *counted;

struct function {
	uint64_t address;
	unsigned int is_entry;	/* of an exception */
};

static struct function *functions;
static size_t nfunctions;

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

static int compare_function(const void *key, const void *element)
{
	uint64_t address = *(const uint64_t *)key;
	const struct function *function = element;

	return address < function->address ? -1 : address > function->address;
}

static const struct function *find_function(uint64_t address)
{
	return bsearch(&address, functions, nfunctions, sizeof(*functions),
		       compare_function);
}

static bool is_prefix(uint8_t byte)
{
	return (byte >= 0x40 && byte <= 0x4f) || byte == 0x66 ||
	       byte == 0x67 || byte == 0xf2 || byte == 0xf3 || byte == 0x2e ||
	       byte == 0x3e || byte == 0x65;
}

static enum flow flow_of(const uint8_t *code, size_t size)
{
	unsigned int operation;

	while (size > 1 && is_prefix(*code)) {
		code++;
		size--;
	}
	if (*code == 0xe8)
		return FLOW_CALL;
	if (*code == 0xc3 || *code == 0xc2)
		return FLOW_RETURN;
	if (*code == 0xcf)
		return FLOW_LEAVE;
	if (*code == 0xe9 || *code == 0xeb || (*code & 0xf0) == 0x70)
		return FLOW_JUMP;
	if (size < 2)
		return FLOW_NEXT;
	operation = code[1] >> 3 & 7;
	if (*code == 0xff && (operation == 2 || operation == 4))
		return operation == 2 ? FLOW_CALL : FLOW_JUMP;
	if (*code == 0x0f && (code[1] == 0x07 || code[1] == 0x35))
		return FLOW_LEAVE;
	if (*code == 0x0f && (code[1] & 0xf0) == 0x80)
		return FLOW_JUMP;
	return FLOW_NEXT;
}

static struct insn *find_insn(uint64_t address, const uint8_t *code,
			      size_t size)
{
	uint64_t hash = address * 0x9e3779b97f4a7c15ULL >> (64 - HASH_BITS);
	struct insn *insn;

	for (insn = insns[hash]; insn; insn = insn->same_hash)
		if (insn->address == address)
			break;
	if (!insn) {
		insn = allocate(sizeof(*insn));
		insn->address = address;
		insn->function = find_function(address);
		insn->same_hash = insns[hash];
		insns[hash] = insn;
	}
	/* user space has other code there after a while */
	insn->next = address + size;
	insn->flow = flow_of(code, size);
	return insn;
}

/* -- who called whom -- */

struct node {
	uint64_t function;
	uint64_t calls;
	uint64_t count;
	struct node *child;
	struct node *sibling;
};

/* A function that has not returned yet. */
struct frame {
	struct node *node;
	uint64_t back;		/* where it returns to; 0: no call began it */
	/* the instruction before the exception, if one began it */
	const struct insn *interrupted;
};

#define DEPTH 256
static struct frame stack[DEPTH];
static int top;

static struct node stretch;
static struct node kept[PROFILE_KINDS];
static uint64_t stretches[PROFILE_KINDS];
static const struct insn *previous;

static struct node *find_child(struct node *node, uint64_t function)
{
	struct node **link = &node->child;

	while (*link && (*link)->function != function)
		link = &(*link)->sibling;
	if (!*link) {
		*link = allocate(sizeof(**link));
		(*link)->function = function;
	}
	return *link;
}

static void free_children(struct node *node)
{
	while (node->child) {
		struct node *child = node->child;

		node->child = child->sibling;
		free_children(child);
		free(child);
	}
}

static void add_tree(struct node *sum, const struct node *node)
{
	const struct node *child;

	sum->calls += node->calls;
	sum->count += node->count;
	for (child = node->child; child; child = child->sibling)
		add_tree(find_child(sum, child->function), child);
}

static void push(uint64_t function, uint64_t back,
		 const struct insn *interrupted)
{
	if (top == DEPTH - 1)
		return;
	stack[top + 1].node = find_child(stack[top].node, function);
	stack[top + 1].back = back;
	stack[top + 1].interrupted = interrupted;
	top++;
	stack[top].node->calls++;
}

/* What does not fit, such as another task's return, changes nothing. */
static void pop_to(uint64_t address)
{
	int i;

	for (i = top; i > 0 && !stack[i].interrupted; i--) {
		if (stack[i].back == address) {
			top = i - 1;
			return;
		}
	}
}

/* Returns the last instruction before the exception. */
static const struct insn *pop_exception(void)
{
	int i;

	for (i = top; i > 0; i--) {
		if (stack[i].interrupted) {
			top = i - 1;
			return stack[i].interrupted;
		}
	}
	return NULL;
}

static void follow(const struct insn *from, const struct insn *to)
{
	if (to->function && to->function->is_entry) {
		push(to->address, 0, from);
		return;
	}
	/* what comes now would have come then */
	if (from->flow == FLOW_LEAVE)
		from = pop_exception();
	if (!from)
		return;
	if (from->flow == FLOW_RETURN)
		pop_to(to->address);
	else if (!to->function)
		return;
	else if (from->flow == FLOW_CALL)
		push(to->address, from->next, NULL);
	else if (to->address != stack[top].node->function)
		push(to->address, 0, NULL);	/* and no loop */
}

/* -- what is executed -- */

static qemu_plugin_u64 active;

static void on_insn(unsigned int cpu, void *data)
{
	struct insn *insn = data;

	if (previous && (previous->next != insn->address || insn->function))
		follow(previous, insn);
	previous = insn;
	stack[top].node->count++;
	if (!insn->count++) {
		insn->counted = counted;
		counted = insn;
	}
}

static void forget_stretch(void)
{
	for (; counted; counted = counted->counted)
		counted->count = 0;
	free_children(&stretch);
	memset(&stretch, 0, sizeof(stretch));
}

static void on_begin(unsigned int cpu, void *data)
{
	forget_stretch();
	stack[0].node = &stretch;
	top = 0;
	previous = NULL;
	qemu_plugin_u64_set(active, cpu, 1);
}

static void on_end(unsigned int cpu, void *data)
{
	qemu_plugin_u64_set(active, cpu, 0);
}

static void on_keep(unsigned int cpu, void *data)
{
	int kind = (uintptr_t)data;
	struct insn *insn;

	stretches[kind]++;
	add_tree(&kept[kind], &stretch);
	for (insn = counted; insn; insn = insn->counted)
		insn->kept[kind] += insn->count;
	forget_stretch();
}

/* What is done at a mark, and with each of the other instructions. */
struct counter {
	insn_fn begin;
	insn_fn end;
	insn_fn keep;
	insn_fn block;		/* of translated code; may be NULL */
	void (*count)(struct qemu_plugin_insn *insn, const uint8_t *code,
		      size_t size);
};

static void count_by_address(struct qemu_plugin_insn *insn,
			     const uint8_t *code, size_t size)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);

	qemu_plugin_register_vcpu_insn_exec_cond_cb(insn, on_insn,
			QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_COND_NE, active, 0,
			find_insn(address, code, size));
}

static const struct counter by_address = {
	.begin = on_begin,
	.end = on_end,
	.keep = on_keep,
	.count = count_by_address,
};

/* -- the same, for each processor -- */

static FILE *out;

/*
 * Where one thread of QEMU has all processors they share the translated code,
 * and the number of the processor in that, which callbacks get and scoreboards
 * are indexed with, is that of the one it was translated for. So processors are
 * told from each other by the address of the kernel's data of each, which is in
 * one of two registers: the other one then has that of user space.
 */
static const char * const base_names[] = { "gs_base", "k_gs_base" };
static struct qemu_plugin_register *bases[2];
static GByteArray *register_value;

struct processor {
	uint64_t base;
	uint64_t count;		/* in the present stretch */
};

#define MAX_PROCESSORS 64
static struct processor processors[MAX_PROCESSORS];
static unsigned int nprocessors;
static struct processor *running;	/* NULL: not in a stretch */

static void find_bases(void)
{
	GArray *registers = qemu_plugin_get_registers();
	unsigned int i, j;

	register_value = g_byte_array_new();
	for (i = 0; i < registers->len; i++)
		for (j = 0; j < 2; j++)
			if (!strcmp(registers->data[i].name, base_names[j]))
				bases[j] = registers->data[i].handle;
	if (!bases[0] || !bases[1])
		abort();
}

static uint64_t read_base(int which)
{
	uint64_t value;

	g_byte_array_set_size(register_value, 0);
	if (qemu_plugin_read_register(bases[which], register_value) !=
	    sizeof(value))
		abort();
	memcpy(&value, register_value->data, sizeof(value));
	return value;
}

static struct processor *find_processor(void)
{
	uint64_t base = read_base(0);
	unsigned int i;

	if (!(base >> 63))
		base = read_base(1);
	for (i = 0; i < nprocessors; i++)
		if (processors[i].base == base)
			return &processors[i];
	if (i == MAX_PROCESSORS)
		abort();
	processors[i].base = base;
	nprocessors++;
	return &processors[i];
}

static void on_block(unsigned int cpu, void *data)
{
	if (running)
		running = find_processor();
}

static void on_insn_of_processor(unsigned int cpu, void *data)
{
	if (running)
		running->count++;
}

static void on_processors_begin(unsigned int cpu, void *data)
{
	if (!register_value)
		find_bases();
	memset(processors, 0, sizeof(processors));
	nprocessors = 0;
	running = find_processor();
}

static void on_processors_end(unsigned int cpu, void *data)
{
	running = NULL;
}

static void on_processors_keep(unsigned int cpu, void *data)
{
	unsigned int i;

	fprintf(out, "stretch %d", (int)(uintptr_t)data);
	for (i = 0; i < nprocessors; i++)
		fprintf(out, " %" PRIu64, processors[i].count);
	fprintf(out, "\n");
}

static void count_by_processor(struct qemu_plugin_insn *insn,
			       const uint8_t *code, size_t size)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, on_insn_of_processor,
					       QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static const struct counter by_processor = {
	.begin = on_processors_begin,
	.end = on_processors_end,
	.keep = on_processors_keep,
	.block = on_block,
	.count = count_by_processor,
};

/* -- what is counted -- */

static const struct counter *counter = &by_address;

/* nopl MARK(%rax,%rax) */
static uint32_t mark_of(const uint8_t *code, size_t size)
{
	static const uint8_t start[] = { 0x0f, 0x1f, 0x84, 0x00 };
	uint32_t mark;

	if (size != 8 || memcmp(code, start, sizeof(start)))
		return 0;
	memcpy(&mark, code + sizeof(start), sizeof(mark));
	return mark;
}

static void on_mark(struct qemu_plugin_insn *insn, insn_fn callback,
		    uint32_t kind)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, callback,
					       QEMU_PLUGIN_CB_R_REGS,
					       (void *)(uintptr_t)kind);
}

static void on_translation(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb), i;

	if (counter->block)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, counter->block,
						     QEMU_PLUGIN_CB_R_REGS,
						     NULL);
	for (i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint8_t code[16] = { 0 };
		size_t size = qemu_plugin_insn_data(insn, code, sizeof(code));
		uint32_t mark = mark_of(code, size);

		if (mark == PROFILE_MARK_BEGIN)
			on_mark(insn, counter->begin, 0);
		else if (mark == PROFILE_MARK_END)
			on_mark(insn, counter->end, 0);
		else if (mark >= PROFILE_MARK_KEEP(0) &&
			 mark < PROFILE_MARK_KEEP(PROFILE_KINDS))
			on_mark(insn, counter->keep,
				mark - PROFILE_MARK_KEEP(0));
		else
			counter->count(insn, code, size);
	}
}

/* -- arguments and result -- */

static void write_tree(const struct node *node, int kind, int depth)
{
	const struct node *child;

	fprintf(out, "node %d %d %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", kind,
		depth, node->function, node->calls, node->count);
	for (child = node->child; child; child = child->sibling)
		write_tree(child, kind, depth + 1);
}

static void write_profile(void)
{
	const struct insn *insn;
	int kind;
	size_t i;

	for (kind = 0; kind < PROFILE_KINDS; kind++) {
		fprintf(out, "kind %d %" PRIu64 "\n", kind, stretches[kind]);
		write_tree(&kept[kind], kind, 0);
		for (i = 0; i < 1 << HASH_BITS; i++)
			for (insn = insns[i]; insn; insn = insn->same_hash)
				if (insn->kept[kind])
					fprintf(out, "insn %d %" PRIx64
						" %" PRIu64 "\n", kind,
						insn->address,
						insn->kept[kind]);
	}
}

static void on_end_of_run(uint64_t id, void *data)
{
	if (counter == &by_address)
		write_profile();
	fclose(out);
}

static bool read_functions(const char *path)
{
	struct function function;
	size_t room = 0;
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return false;
	while (fscanf(file, "%" SCNx64 " %u", &function.address,
		      &function.is_entry) == 2) {
		if (nfunctions == room) {
			room = room ? 2 * room : 4096;
			functions = realloc(functions,
					    room * sizeof(*functions));
			if (!functions)
				abort();
		}
		functions[nfunctions++] = function;
	}
	fclose(file);
	return true;
}

int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info, int argc,
			char **argv)
{
	bool good = true;
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "functions=", 10))
			good = read_functions(argv[i] + 10);
		else if (!strcmp(argv[i], "processors=on"))
			counter = &by_processor;
		else
			good = false;
	}
	if (!good || !out || !nfunctions == (counter == &by_address)) {
		fprintf(stderr,
			"profile-plugin: wants out=, and functions= or processors=on\n");
		return -1;
	}
	active.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_end_of_run, NULL);
	return 0;
}
