-- Tables of package db. The position row is also the lock that orders commits.

create table position (
	one    bigint primary key check (one = 1),
	stream bigint not null,
	leaf   bigint not null
)
with (fillfactor = 10) -- only: postgres
;

insert into position (one, stream, leaf) values (1, 0, 0);

create table head (
	key     bigint primary key,
	version bigint not null,
	value   bytea
)
with (fillfactor = 50) -- only: postgres
;
