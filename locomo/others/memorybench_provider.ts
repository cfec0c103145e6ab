// sql-memory as a provider of memorybench: `python -m locomo.others.memorybench` puts this file there.
//
// A container is a memory of a running `memory serve`. Storing and searching ask no model.
import type { IngestOptions, IngestResult, Provider, ProviderConfig, SearchOptions } from "../../types/provider"
import type { UnifiedSession } from "../../types/unified"

const MOST_TURNS = 1_000 // that the API takes in one request

/** What an answer of the API may have. */
interface Answer {
    turns?: { id: number }[]
    memories?: string[]
    error?: { message: string }
}

export class SqlMemoryProvider implements Provider {
    name = "sql-memory"
    prompts = { answerPrompt }
    private address = ""
    private token = ""

    async initialize(config: ProviderConfig): Promise<void> {
        this.address = config.baseUrl || "http://127.0.0.1:8765"
        this.token = config.apiKey
    }

    /** Store sessions. What an interrupted run has stored is not stored again. */
    async ingest(sessions: UnifiedSession[], options: IngestOptions): Promise<IngestResult> {
        await this.ask("PUT", options.containerTag, "", {})
        const turns = sessions.flatMap(turnsOf)
        const documentIds: string[] = []
        for (let first = 0; first < turns.length; first += MOST_TURNS) {
            const batch = { turns: turns.slice(first, first + MOST_TURNS) }
            const added = await this.ask("POST", options.containerTag, "/turns/batch", batch)
            documentIds.push(...(added.turns ?? []).map(turn => String(turn.id)))
        }
        return { documentIds }
    }

    /** A turn is found as soon as it is stored. */
    async awaitIndexing(_result: IngestResult, _containerTag: string): Promise<void> {}

    /** The best turns as dated lines in the order of saying: those of the block for a prompt, at most ten. */
    async search(query: string, options: SearchOptions): Promise<string[]> {
        // Who searches wants the nearest; the gate is for messages of a chat that ask for nothing.
        const found = await this.ask("POST", options.containerTag, "/context", { messages: query, gate: false })
        return found.memories ?? []
    }

    async clear(containerTag: string): Promise<void> {
        await this.ask("DELETE", containerTag, "", { confirmation: containerTag })
    }

    private async ask(method: string, memory: string, path: string, body: object): Promise<Answer> {
        const response = await fetch(`${this.address}/api/${encodeURIComponent(memory)}${path}`, {
            method,
            headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
            body: JSON.stringify(body),
        })
        const answer = (await response.json()) as Answer
        const isGone = method === "DELETE" && response.status === 404
        if (!response.ok && !isGone) {
            throw new Error(`sql-memory: ${response.status}: ${answer.error?.message}`)
        }
        return answer
    }
}

function turnsOf(session: UnifiedSession): object[] {
    const date = session.metadata?.date
    return session.messages
        .map((message, number) => ({
            text: message.content,
            speaker: message.speaker ?? message.role,
            session: session.sessionId,
            said_at: message.timestamp ?? (typeof date === "string" ? date : ""),
            source: `${session.sessionId} ${number}`,
        }))
        .filter(turn => turn.text.trim())
}

/** memorybench's own prompt for answers, with lines where it has JSON. */
function answerPrompt(question: string, context: unknown[], questionDate?: string): string {
    return `You are a question-answering system. Based on the retrieved context below, answer the question.

Question: ${question}
Question Date: ${questionDate || "Not specified"}

Retrieved Context (what was said, each line with its day and its speaker):
${context.join("\n")}

Instructions:
- Extract relevant information from the context to answer the question
- Consider any temporal/date information present in the context
- If the context contains enough information, provide a clear, concise answer
- If the context does not contain enough information, respond with "I don't know"
- Base your answer ONLY on the provided context

Answer:`
}

export default SqlMemoryProvider
