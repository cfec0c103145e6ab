// Written by `memory connect opencode`; `memory connect opencode --remove` removes it.
// It hands the prompts and messages of a session to the memory's hook, and never holds OpenCode up.
import { spawn } from "node:child_process"

const COMMAND = ["COMMAND"]
const MOST_MS = 2500

function hook(payload) {
  return new Promise((resolve) => {
    let output = ""
    const end = () => {
      try {
        resolve(JSON.parse(output).hookSpecificOutput.additionalContext || "")
      } catch {
        resolve("")
      }
    }
    try {
      const child = spawn(COMMAND[0], COMMAND.slice(1), { stdio: ["pipe", "pipe", "ignore"] })
      const timer = setTimeout(() => child.kill("SIGKILL"), MOST_MS)
      child.on("error", () => resolve(""))
      child.on("close", () => (clearTimeout(timer), end()))
      child.stdout.on("data", (part) => (output += part))
      child.stdin.on("error", () => {})
      child.stdin.end(JSON.stringify(payload))
    } catch {
      resolve("")
    }
  })
}

export const SqlMemory = async ({ client, directory }) => {
  const sent = new Map() // session -> the ids of its messages that were handed over
  const blocks = new Map() // session -> what its model is told
  const call = (event, session, more) =>
    hook({ hook_event_name: event, session_id: session, cwd: directory, ...more })

  async function capture(session) {
    try {
      const about = await client.session.get({ path: { id: session } })
      if (about?.data?.parentID) return // a subagent's: nobody's prompts
      const { data } = await client.session.messages({ path: { id: session } })
      const before = sent.get(session) || new Set()
      const isWhole = ({ info }) => info.role === "user" || info.time?.completed || info.error
      const records = (data || []).filter((one) => !before.has(one.info.id) && isWhole(one))
      if (!records.length) return
      await call("Stop", session, {
        records: records.map(({ info, parts }) => ({ info, parts, folder: directory })),
      })
      sent.set(session, new Set([...before, ...records.map(({ info }) => info.id)]))
    } catch {
      // OpenCode goes on; the next time hands over what is missing.
    }
  }

  return {
    "chat.message": async ({ sessionID }, output) => {
      const prompt = (output.parts || [])
        .filter((part) => part.type === "text" && !part.synthetic)
        .map((part) => part.text)
        .join("\n")
      const known = blocks.get(sessionID)
      const start = known ? known.start : await call("SessionStart", sessionID, { source: "startup" })
      blocks.set(sessionID, { start, prompt: await call("UserPromptSubmit", sessionID, { prompt }) })
    },
    "experimental.chat.system.transform": async (input, output) => {
      const block = blocks.get(input?.sessionID)
      if (block?.start) output.system.push(block.start)
      if (block?.prompt) output.system.push(block.prompt)
    },
    "experimental.session.compacting": async ({ sessionID }) => capture(sessionID),
    event: async ({ event }) => {
      if (event.type === "session.idle") await capture(event.properties.sessionID)
    },
  }
}
