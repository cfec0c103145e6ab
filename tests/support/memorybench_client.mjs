// What memorybench asks of a provider, for tests/locomo/others/test_memorybench.py: checkout, sessions, question.
const [checkout, sessions, question] = process.argv.slice(2)
const { SqlMemoryProvider } = await import(`${checkout}/src/providers/sql-memory/index.ts`)
const { getProviderConfig } = await import(`${checkout}/src/utils/config.ts`)
const provider = new SqlMemoryProvider()
await provider.initialize(getProviderConfig("sql-memory"))
const container = { containerTag: "conv-1-q0-run" }

const stored = []
for (let time = 0; time < 2; time++) { // an interrupted run begins again
  const result = await provider.ingest(JSON.parse(sessions), container)
  await provider.awaitIndexing(result, container.containerTag)
  stored.push(result.documentIds)
}
const found = await provider.search(question, { ...container, limit: 10, threshold: 0.3 })
const prompt = provider.prompts.answerPrompt(question, found, "2023-06-01")
await provider.clear(container.containerTag)
await provider.clear(container.containerTag)
const refused = await provider.search(question, container).catch((error) => error.message)

console.log(JSON.stringify({ stored, found, prompt, refused }))
