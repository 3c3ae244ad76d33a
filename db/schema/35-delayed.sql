-- Events that are to be sent later (MSC4140). Written by homeserver/delayed only.

create table delayed_event (
    delay_id  text   not null primary key, -- random; who knows it may change when the event is sent
    user_id   text   not null,
    device_id text   not null,
    room_id   text   not null,
    type      text   not null,
    state_key text,
    txn       text,                        -- transaction id of the request, for idempotence
    replaces  text   not null,             -- state events: the event that was in its place; empty: none
    delay     bigint not null,             -- milliseconds
    since     bigint not null,             -- milliseconds: when the delay began last
    due       bigint not null,             -- milliseconds: since + delay
    done      bigint not null,             -- milliseconds: when it was sent or given up; 0: it waits
    content   bytea  not null              -- sealed under the data key of the room; empty when done
);
create index delayed_event_due on delayed_event (done, due);
create index delayed_event_user on delayed_event (user_id, done, due);
create unique index delayed_event_txn on delayed_event (user_id, device_id, room_id, type, txn) where txn is not null;
