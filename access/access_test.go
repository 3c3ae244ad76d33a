package access

import "testing"

func TestDecide(t *testing.T) {
	nobody, user := Who{}, Who{User: "@u:x"}
	guest, admin, locked := Who{User: "@g:x", Guest: true}, Who{User: "@a:x", Admin: true}, Who{User: "@l:x", Locked: true}
	for rule, want := range map[Rule][5]Decision{
		//            nobody   user     guest     admin    locked
		Public:       {Allowed, Allowed, Allowed, Allowed, Allowed},
		SharedSecret: {Allowed, Allowed, Allowed, Allowed, Allowed},
		User:         {NoToken, Allowed, NotGuest, Allowed, IsLocked},
		UserOrGuest:  {NoToken, Allowed, Allowed, Allowed, IsLocked},
		UserOrNobody: {Allowed, Allowed, Allowed, Allowed, IsLocked},
		Locked:       {NoToken, Allowed, Allowed, Allowed, Allowed},
		Admin:        {NoToken, NotAdmin, NotAdmin, Allowed, IsLocked},
	} {
		for i, who := range []Who{nobody, user, guest, admin, locked} {
			if got := rule.Decide(who); got != want[i] {
				t.Errorf("%s decides %d about %+v, want %d", rule, got, who, want[i])
			}
		}
		if !rule.Valid() {
			t.Errorf("%s is not valid", rule)
		}
	}
	if Rule("").Valid() || Rule("other").Valid() {
		t.Error("a rule that is none is valid")
	}
}
