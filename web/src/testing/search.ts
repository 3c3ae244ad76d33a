import { noReach, type Hit, type MessageSearch, type Reach, type Sought } from "../store/MessageSearch.ts";
import { Store } from "../store/Store.ts";
import { finds, wantedOf } from "../store/words.ts";

/** Messages to be found, on the device and by the server, and how far back the device goes. */
export interface TestSearch extends MessageSearch {
  onDevice: readonly Hit[];
  onServer: readonly Hit[];
  readonly reached: Store<Reach>;
}

export function testSearch(ask: (what: string) => Promise<void>): TestSearch {
  const find = (all: readonly Hit[], { term, room, limit }: Sought): { hits: readonly Hit[]; more: boolean } => {
    const hits = all.filter((hit) => (room === undefined || hit.room === room) && finds(wantedOf(term), hit.text));
    return { hits: hits.slice(0, limit), more: hits.length > limit };
  };
  const search: TestSearch = {
    onDevice: [],
    onServer: [],
    reached: new Store(noReach),
    here: async (sought) => {
      await ask(`here ${sought.term}`);
      return find(search.onDevice, sought);
    },
    there: async (sought) => {
      await ask(`there ${sought.term}`);
      return find(search.onServer, sought);
    },
    reach: () => search.reached,
    goFurther: (room) => ask(`further ${room ?? "everywhere"}`),
    stop: () => void ask("stop"),
  };
  return search;
}
