// OpenAI's client for Node, asked by tests/memory/server/test_proxy.py: package, address, question.
const [module, baseURL, content] = process.argv.slice(2)
const { default: OpenAI } = await import(module)
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 })
const body = { model: "m", messages: [{ role: "user", content }] }

const models = []
for await (const model of client.models.list()) models.push(model.id)

const whole = await client.chat.completions.create(body)

let streamed = ""
for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? ""
}

console.log(JSON.stringify({ models, whole: whole.choices[0].message.content, streamed }))
