# Myelin. `make run` starts the product with a demo hospital, `make test` runs every test.
SHELL := /bin/bash
export GOEXPERIMENT := jsonv2
export CGO_ENABLED ?= 1
GO ?= go
WEB := web/node_modules/.package-lock.json

.PHONY: run test check slow e2e tour fuzz bench build web clean cover race

## run: build and start Myelin with a demo hospital on http://localhost:8008
run: build
	bin/myelin demo

## build: the web app and the server, in bin/myelin
build: web/dist/index.html
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/myelin ./cmd/myelin

$(WEB): web/package.json web/package-lock.json
	scripts/need node npm
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: $(WEB) $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -path web/test-results -prune -o -type f -print 2>/dev/null)
	cd web && npm run build
	@touch $@

web: web/dist/index.html

## test: every check and test there is; installs what it needs when it is missing
test: check race e2e

## check: vet, staticcheck, known vulnerabilities, formatting, TypeScript, lint, unit tests of the web app
check: web/dist/index.html
	scripts/check-go
	cd web && npm run check && npm test

## race: the Go tests with the race detector on SQLite and PostgreSQL, with coverage
race:
	scripts/need gcc postgres strace
	scripts/test-go

## slow: the Go tests with every commit slowed down, which brings out mistakes of ordering
slow:
	scripts/need postgres strace
	MYELIN_TEST_COMMIT_DELAY=5ms $(GO) test -timeout 25m ./...

## e2e: two browsers against the built server
e2e: build
	scripts/need chromium
	MYELIN_E2E_BIN=$(CURDIR)/bin/myelin scripts/test-web

## tour: pictures of every screen in each language, theme and size, with what axe or a thumb finds wrong on it
tour: build
	scripts/need chromium
	cd web && MYELIN_E2E_BIN=$(CURDIR)/bin/myelin npm run tour

## fuzz: each fuzz target for FUZZTIME (default 30s)
fuzz:
	scripts/fuzz

## bench: the built server under load from another process; prints target and measured
bench: build
	scripts/need postgres
	$(GO) run ./bench -bin bin/myelin $(BENCH)

clean:
	rm -rf bin web/dist/* web/node_modules web/test-results coverage.out
