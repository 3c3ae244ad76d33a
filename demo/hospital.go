package demo

// The hospital, its people and what they say are invented.
const hospitalName = "Lindenhof demo hospital"

// keeper keeps the accounts: the administrator of the demo.
const keeper = "erik.hansen"

// roleField of a person's profile is what they are in the hospital; only administrators may write it.
const roleField = "org.myelin.role"

type staff struct {
	localpart, name, role, department string
}

var people = []staff{
	{"amara.okafor", "Dr. Amara Okafor", "Attending physician", "Cardiology"},
	{"jonas.weber", "Jonas Weber", "Charge nurse", "Ward 3 East"},
	{"lena.fischer", "Dr. Lena Fischer", "Resident", "Emergency department"},
	{"mateo.silva", "Mateo Silva", "Nurse", "Intensive care"},
	{"priya.nair", "Dr. Priya Nair", "Intensivist", "Intensive care"},
	{"sofia.lindgren", "Sofia Lindgren", "Nurse", "Ward 3 East"},
	{"tomasz.kowalski", "Dr. Tomasz Kowalski", "Surgeon", "General surgery"},
	{"yuki.tanaka", "Yuki Tanaka", "Pharmacist", "Pharmacy"},
	{"fatima.alsayed", "Fatima Al-Sayed", "Physiotherapist", "Rehabilitation"},
	{"daniel.mbeki", "Daniel Mbeki", "Laboratory scientist", "Laboratory"},
	{"clara.dubois", "Clara Dubois", "Social worker", "Discharge planning"},
	{"erik.hansen", "Erik Hansen", "Bed manager", "Operations"},
}

type line struct {
	who, text string
}

type conversation struct {
	alias, name, topic string
	members            []string
	lines              []line
}

// The first member of each is who made it. These rooms are open to the staff
// and carry no patient data, so they are not encrypted; conversations that
// people start themselves are.
var conversations = []conversation{
	{
		"ward-3-east", "Ward 3 East", "Day-to-day coordination of the ward",
		[]string{"jonas.weber", "sofia.lindgren", "amara.okafor", "fatima.alsayed", "clara.dubois", "erik.hansen"},
		[]line{
			{"jonas.weber", "Good morning. Staffing today: four on the early shift, three on the late one, nights are covered."},
			{"sofia.lindgren", "Infusion pump 7 is back from medical engineering and charged."},
			{"erik.hansen", "Two beds are needed from you by 14:00. Which ones can I plan with?"},
			{"jonas.weber", "Beds 12 and 15 once discharge papers are signed. I will confirm by noon."},
			{"clara.dubois", "Transport for both discharges is booked at 13:30."},
			{"fatima.alsayed", "Walking practice today is between 10 and 11, please leave the corridor free of trolleys."},
			{"amara.okafor", "Cardiology round starts at 9:15, I will begin at the far end."},
		},
	},
	{
		"emergency", "Emergency department", "Flow between the emergency department and the wards",
		[]string{"lena.fischer", "priya.nair", "tomasz.kowalski", "erik.hansen", "daniel.mbeki"},
		[]line{
			{"lena.fischer", "Waiting time is about 40 minutes. The CT is free again."},
			{"daniel.mbeki", "The analyser for troponin is under maintenance until 11:00; results come from the second one, about ten minutes later than usual."},
			{"priya.nair", "Intensive care has one bed free."},
			{"tomasz.kowalski", "Theatre 2 is running late. Call me before you send anyone up."},
			{"lena.fischer", "Understood, thank you."},
		},
	},
	{
		"intensive-care", "Intensive care", "Team of the intensive care unit",
		[]string{"priya.nair", "mateo.silva", "yuki.tanaka", "daniel.mbeki", "amara.okafor"},
		[]line{
			{"mateo.silva", "Night shift was calm. The blood gas analyser was calibrated at 5:00."},
			{"priya.nair", "Thank you. Handover at the board at 7:00, please bring your open points."},
			{"yuki.tanaka", "There is a supply problem with one heparin pack size. The replacement has a different concentration, the label is orange."},
			{"mateo.silva", "I have put a note on the cabinet."},
		},
	},
	{
		"pharmacy", "Pharmacy advice", "Ask the pharmacist on duty",
		[]string{"yuki.tanaka", "amara.okafor", "lena.fischer", "priya.nair", "sofia.lindgren", "tomasz.kowalski"},
		[]line{
			{"yuki.tanaka", "I am on duty until 18:00, afterwards the on-call pharmacist takes over."},
			{"sofia.lindgren", "When do you deliver the stock for the weekend?"},
			{"yuki.tanaka", "At 15:00, together with the night cabinet."},
		},
	},
	{
		"all-staff", "All staff", "News for everyone in the house",
		[]string{"erik.hansen", "jonas.weber", "amara.okafor", "lena.fischer", "mateo.silva", "priya.nair", "sofia.lindgren",
			"tomasz.kowalski", "yuki.tanaka", "fatima.alsayed", "daniel.mbeki", "clara.dubois"},
		[]line{
			{"erik.hansen", "Welcome to Myelin. Messages between people are end-to-end encrypted: only the people in a conversation can read them."},
			{"erik.hansen", "The fire drill on Thursday starts at 10:00 in the east wing."},
		},
	},
}
