import { Preferences } from "../store/Preferences.ts";
import { fetchSentences, languageOf } from "./language.ts";

// Runs beside the app while that is still on its way: its sentences need not wait for it.
void fetchSentences(languageOf(new Preferences(localStorage).snapshot.language, navigator.languages));
