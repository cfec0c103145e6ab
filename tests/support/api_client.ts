// A client of the JSON API as TypeScript sees it: compiled under --strict by tests/memory/server/test_typed_api.py.
import type { paths } from "./api"

type Answer<Path extends keyof paths, Method extends keyof paths[Path], Status extends number = 200> =
  paths[Path][Method] extends { responses: infer Responses }
    ? Status extends keyof Responses
      ? Responses[Status] extends { content: { "application/json": infer Body } } ? Body : never
      : never
    : never
type Body<Path extends keyof paths, Method extends keyof paths[Path]> =
  paths[Path][Method] extends { requestBody?: { content: { "application/json": infer Given } } } ? Given : never

const made: Answer<"/api/{namespace}", "put", 201> = { namespace: "anna", new: true, owner: "" }
const turns: Answer<"/api/{namespace}/turns", "get"> = { turns: [], after: null }
const batch: Body<"/api/{namespace}/turns/batch", "post"> = { turns: [{ text: "Tea.", speaker: "Anna" }] }
const edit: Body<"/api/{namespace}/facts/{id}/correction", "post"> = { kind: "is over", since: "2025" }

function told(answer: Answer<"/api/{namespace}/ask", "post">): string {
  const sources: string[] = answer.turns.map((turn) => `${turn.speaker}: ${turn.text} (${turn.id})`)
  return `${answer.answer} ${sources.join(", ")} ${answer.seconds.toFixed(1)} s`
}

function best(found: Answer<"/api/{namespace}/search", "get">): number {
  return Math.max(...found.hits.map((hit) => hit.score))
}

function inForce(page: Answer<"/api/{namespace}/facts", "get">): string[] {
  return page.facts.filter((fact) => fact.ended_on === "").map((fact) => fact.value)
}

// @ts-expect-error: a turn has no "words"; with answers that are any object this would compile
turns.turns.map((turn) => turn.words)
// @ts-expect-error: there is no such kind of edit
const wrong: Body<"/api/{namespace}/facts/{id}/correction", "post"> = { kind: "gone" }

export { batch, best, edit, inForce, made, told, wrong }
