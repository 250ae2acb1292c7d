/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sh: the shell of the embedded world, POSIX syntax with `local`, history and line editing.
 *
 *   input.c   characters from files, strings and the terminal, with alias text pushed back
 *   lex.c     tokens; words keep their source text, quotes and all
 *   parse.c   the grammar, to a tree
 *   expand.c  words to fields when they are used;  param.c ${...};  arith.c $((...));  glob.c file names
 *   exec.c    runs the tree;  redir.c  jobs.c  trap.c
 *   var.c     variables, functions, positional parameters
 *   builtin.c commands that change the shell itself;  misc.c those that might be programs
 *   edit.c    editing on a terminal, history
 *
 *   H1  Trees and words live in the arena of their complete command; a function keeps its arena alive.
 *   H2  Expansion results live in `scratch`, released when the simple command is done.
 *   H3  Whoever changes state for the length of a command catches sh_raise(), puts it back, and raises again.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

/* --- memory.c --- */
struct arena { struct chunk *chunks; int refs; };
extern struct arena *scratch;
void *xmalloc(size_t);
void *xrealloc(void *, size_t);
char *xstrdup(const char *);
struct arena *arena_new(void);
void arena_ref(struct arena *);
void arena_free(struct arena *);
void *arena_alloc(struct arena *, size_t);
char *arena_strdup(struct arena *, const char *);
char *arena_strndup(struct arena *, const char *, size_t);

struct str { char *s; size_t n, room; }; /* a growing string, always NUL-terminated once touched */
void str_add(struct str *, const char *, size_t);
void str_addc(struct str *, int);
void str_adds(struct str *, const char *);
void str_free(struct str *);

/* --- the tree --- */
struct words { char *text; struct words *next; };
enum redir_op { R_IN, R_OUT, R_APPEND, R_CLOBBER, R_RDWR, R_DUPIN, R_DUPOUT, R_HERE };
struct redir {
	enum redir_op op;
	int fd;
	char *word;            /* HERE: the delimiter as written */
	char *body;            /* HERE */
	int quoted, strip;     /* HERE: body is literal; leading tabs go */
	struct redir *next, *pending;
};
enum node_type { N_CMD, N_PIPE, N_AND, N_OR, N_SEQ, N_BG, N_NOT, N_SUBSHELL, N_GROUP, N_IF, N_WHILE, N_UNTIL, N_FOR,
	N_CASE, N_FUNC };
struct arm { struct words *patterns; struct node *body; int fall; struct arm *next; };
struct node {
	enum node_type type;
	struct redir *redirs;
	struct words *assigns, *words; /* CMD; FOR: list, NULL means "$@" */
	struct node *a, *b, *c;        /* operands, in reading order */
	struct node *next;             /* PIPE: the following element */
	struct arm *arms;              /* CASE */
	char *name;                    /* FOR variable, CASE word, FUNC name */
	int line;
	struct arena *arena;           /* FUNC: owner of the body */
};

/* --- input.c --- */
struct input;
struct alias;
extern int lineno;
struct input *input_fd(int fd, int interactive);
struct input *input_string(const char *);
void input_push(struct input *);
void input_pop(void);
int input_interactive(void);
int in_getc(void);    /* EOF (-1) at the end */
void in_ungetc(int);
void in_alias(const char *text, struct alias *owner);
void in_drop_line(void);
void in_record(struct str *to); /* copies what is read from here on; NULL stops */
struct str *in_recording(void);
extern int prompt_level; /* 1: PS1 is due, 2: PS2 */

/* --- lex.c, parse.c --- */
struct alias { char *name, *text; int busy; struct alias *next; };
extern struct alias *aliases;
enum token { T_EOF, T_NL, T_WORD, T_IONUM, T_SEMI, T_AMP, T_PIPE, T_AND, T_OR, T_DSEMI, T_SEMIAMP, T_LPAREN, T_RPAREN,
	T_LESS, T_GREAT, T_DGREAT, T_DLESS, T_DLESSDASH, T_LESSAND, T_GREATAND, T_LESSGREAT, T_CLOBBER };
struct lexer { enum token tok; char *text; int peeked; struct arena *arena; struct redir *heredocs; };
extern struct lexer lex;
enum token next_token(void);
enum token peek_token(void);
void lex_reset(struct arena *);
void read_heredocs(void);
void skip_substitution(void); /* through the ')' of a $(...) */
const char *token_name(enum token, const char *text);
/* Reads one complete command. NULL with *eof = 0 for an empty line. */
struct node *parse_command(struct arena *, int *eof);
int valid_name(const char *, size_t);

/* --- expand.c --- */
#define X_SPLIT 1   /* field splitting and file names */
#define X_ASSIGN 2  /* tilde after ':' too */
#define X_PATTERN 4 /* result is a pattern: quoted bytes get a backslash */
#define X_HEREDOC 8 /* double-quote rules, but " is ordinary */
#define X_BRACED 16 /* inside ${}: $10 is one name */
#define X_INBRACE 32 /* a word in ${}: backslash also quotes } */
struct xbuf { char *c; unsigned char *f; int n, room; };
#define F_QUOTED 1
#define F_SPLIT 2
#define F_BREAK 4
#define F_NULL 8
struct words **expand_word(const char *text, int flags, struct words **tail);
struct words *expand_words(struct words *);
char *expand_one(const char *text, int flags);
void x_put(struct xbuf *, int c, int flags);
void x_text(struct xbuf *, const char *text, const char *end, int flags, int quoted);
void x_value(struct xbuf *, const char *value, int quoted);
const char *x_param(struct xbuf *, const char *p, int flags, int quoted); /* p after '$' */
char *x_string(struct xbuf *, int pattern);
const char *skip_word_part(const char *p); /* past one quoted or $ construct, or one byte */
char *command_output(const char *text);
long long arith(const char *text);
void glob_field(const struct xbuf *, int from, int to, struct words ***tail);

/* --- var.c --- */
#define V_EXPORT 1
#define V_READONLY 2
#define V_UNSET 4
struct var { char *name, *value; int flags; struct var *next; };
struct params { int n; char **v; };
extern struct params params;
extern char *arg0;
void vars_init(void);
struct var *var_find(const char *, size_t);
const char *var_get(const char *);
const char *var_get_n(const char *, size_t);
void var_set(const char *name, const char *value, int flags);
void var_assign(const char *assignment, int flags);
int var_unset(const char *);
char **var_environ(struct words *extra);
void vars_print(int flags, const char *prefix);
void local_push(void);
void local_pop(void);
int local_make(const char *name);
struct func { char *name; struct node *body; struct arena *arena; int running; struct func *next; };
struct func *func_find(const char *);
void func_define(struct node *);
int func_unset(const char *);
void params_set(struct params *, int n, struct words *);
void quote_print(const char *);

/* --- exec.c, redir.c --- */
extern int last_status, subst_status, sh_pid;
extern pid_t last_bg;
enum skip { SKIP_NONE, SKIP_BREAK, SKIP_CONTINUE, SKIP_RETURN };
extern enum skip skipping;
extern int skip_count, loop_depth, func_depth, dot_depth;
#define EX_EXIT 1   /* the process has nothing else to do: exec may replace it */
#define EX_TESTED 2 /* a failing status is looked at: errexit does not apply */
int run_node(struct node *, int flags);
int run_string(const char *text);
int run_file(const char *path);
int run_input(int interactive);
int find_program(const char *name, char *path, size_t size);
void exec_program(char **argv, char **env) __attribute__((noreturn));
struct saved;
int redirect(struct redir *, struct saved **save); /* 0, or -1 after a message */
void redir_undo(struct saved *);
void redir_keep(struct saved *);
void subshell_init(int background);
void sh_exit(int status) __attribute__((noreturn));

/* --- jobs.c --- */
struct job;
extern int job_control, tty_fd;
enum where { FOREGROUND, BACKGROUND, INSIDE }; /* INSIDE: no process group of its own */
void jobs_init(void);
void jobs_forget(void);
struct job *job_new(const struct node *text, int background);
pid_t job_fork(struct job *, enum where);
int job_wait(struct job *);
void jobs_notify(int all);
int jobs_left(void);

/* --- show.c --- */
void show_node(struct str *, const struct node *);

/* --- trap.c --- */
extern volatile int interrupted, signal_pending;
void traps_init(int interactive);
void traps_run(void);
void traps_subshell(void);
int traps_any(void);
void trap_exit(void);
int trap_builtin(int, char **);
int signal_number(const char *);
void check_interrupt(void);

/* --- builtin.c, misc.c --- */
struct builtin { const char *name; int (*run)(int, char **); int special; };
const struct builtin *builtin_find(const char *);
extern const struct builtin misc_builtins[], job_builtins[];
int next_option(int argc, char **argv, const char *spec); /* getopt for builtins; -1 at the end, '?' after a message */

/* --- edit.c --- */
char *edit_line(const char *prompt); /* malloc'd, newline included; NULL at end of input */
int edit_usable(void);
void history_add(const char *line);
int history_builtin(int, char **);

/* --- main.c --- */
#define OPTIONS "aefhimnuvxC"
extern char option_on[128];
#define opt(c) (option_on[(unsigned char)(c)])
/* Unwinds to the innermost handler; without one (a subshell, a script's top level) the process ends. */
enum raise { RAISE_ERROR = 1, RAISE_INTERRUPT };
extern jmp_buf *handler;
void sh_raise(enum raise) __attribute__((noreturn));
void sh_error(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void sh_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
