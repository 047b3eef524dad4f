# order_workflow: durable workflows inside PostgreSQL. "make help" lists the targets.

EXTENSION = order_workflow order_workflow_test
MODULE_big = order_workflow

SOURCES = $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SOURCES:.c=.o)

PG_CPPFLAGS = -I$(srcdir)/src
# Callbacks and SQL-callable functions have the signature they are called by, used or not.
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter

# The install scripts are put together from sql/, in the order of the directories and then of the
# files' names. Upgrade scripts are installed as they are.
SCRIPT = order_workflow--1.0.sql
SCRIPT_PARTS = $(foreach part,schema functions views privileges,$(sort $(wildcard sql/$(part)/*.sql)))
TEST_KIT_SCRIPT = order_workflow_test--1.0.sql
TEST_KIT_PARTS = $(sort $(wildcard sql/test_kit/*.sql))
DATA = $(wildcard sql/updates/*.sql)
DATA_built = $(SCRIPT) $(TEST_KIT_SCRIPT)

# What "make installcheck" runs; "make test" runs every suite, on a cluster of its own.
REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --outputdir=test --load-extension=order_workflow
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=test/isolation --load-extension=order_workflow

# A program of its own: only where what it needs is there.
EXPORTER = exporter/order_workflow_exporter

EXTRA_CLEAN = $(EXPORTER) $(foreach dir,test test/isolation,$(addprefix $(dir)/,results regression.diffs regression.out output_iso))

# No bitcode: none of these functions is worth inlining into an expression, and clang is not needed.
override with_llvm := no

# Debian keeps the pg_config of each version in that version's directory.
PG_CONFIG ?= $(or $(shell command -v pg_config),$(wildcard /usr/lib/postgresql/15/bin/pg_config),pg_config)
export PG_CONFIG

.DEFAULT_GOAL = all
# These are scripts, which find the server for themselves, or install it.
TASKS = test conformance fuzz demo demo-stop bench pictures format format-check lint help
ifneq ($(filter-out $(TASKS),$(or $(MAKECMDGOALS),all)),)
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error $(PG_CONFIG) does not run: install postgresql-server-dev-15, or name yours with PG_CONFIG=)
endif
include $(PGXS)

EXPORTER_HEADERS = printf '\043include <%s>\n' microhttpd.h libpq-fe.h
EXPORTER_FLAGS = -I$(shell $(PG_CONFIG) --includedir) -L$(shell $(PG_CONFIG) --libdir)
ifeq ($(shell $(EXPORTER_HEADERS) | $(CC) $(EXPORTER_FLAGS) -x c -E - >/dev/null 2>&1 && echo there),there)
all: $(EXPORTER)
install: install-exporter
uninstall: uninstall-exporter
endif
endif

$(EXPORTER): $(EXPORTER).c Makefile
	$(CC) $(CFLAGS) $(PG_CFLAGS) -pthread -D_GNU_SOURCE $(EXPORTER_FLAGS) $(LDFLAGS) $< -lpq -lmicrohttpd -o $@

install-exporter: $(EXPORTER)
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(EXPORTER) '$(DESTDIR)$(bindir)/'

uninstall-exporter:
	rm -f '$(DESTDIR)$(bindir)/$(notdir $(EXPORTER))'

$(OBJS): $(wildcard src/*.h src/*/*.h) Makefile

# $(call assemble,EXTENSION): the parts, behind a guard against reading the script with \i.
define assemble
	{ printf '%s\n' '\echo Use "CREATE EXTENSION $(1)" to load this file. \quit'; \
	  for part in $(filter %.sql,$^); do echo; cat $$part; done; } > $@.new
	mv $@.new $@
endef

# The directories stand here for the files that leave them.
$(SCRIPT): $(SCRIPT_PARTS) $(wildcard sql/*/)
	$(call assemble,order_workflow)

$(TEST_KIT_SCRIPT): $(TEST_KIT_PARTS) $(wildcard sql/*/)
	$(call assemble,order_workflow_test)

.PHONY: $(TASKS) install-exporter uninstall-exporter

test:
	dev/install_packages.sh test
	dev/test.sh

conformance:
	test/conformance/run.sh $(CASES)

fuzz:
	dev/install_packages.sh fuzz
	test/fuzz/run.sh $(or $(SECONDS),60) $(CASES)

demo:
	examples/order_processing/demo.sh start

demo-stop:
	examples/order_processing/demo.sh stop

bench:
	bench/run.sh

pictures:
	dev/pictures.sh

format:
	dev/format.pl

format-check:
	dev/format.pl --check

lint:
	dev/lint.sh

help:
	@echo 'make               build; with libpq-dev and libmicrohttpd-dev also the exporter for Prometheus'
	@echo 'make install       install for the server of PG_CONFIG (as root)'
	@echo 'make test          build, install, run every test suite on a private cluster'
	@echo 'make conformance CASES=FOLDER  run recorded cases of the Amazon States Language'
	@echo 'make fuzz SECONDS=60  fuzz definitions, inputs and results'
	@echo 'make installcheck  run the regression and isolation tests on a running server'
	@echo 'make demo          start the order processing example; make demo-stop ends it'
	@echo 'make bench         run the benchmarks'
	@echo 'make pictures      draw the pictures of doc/ anew'
	@echo 'make format        format the C sources; make format-check only looks'
	@echo 'make lint          static checks'
	@echo 'make clean         remove what was built'
