from agents import Agent, Runner, function_tool

from memory import InputError, Memory, SqlError, memory_tools


def error_shown(context: object, error: Exception) -> str:
    """What the model reads of an error that it can repair; any other is raised."""
    if isinstance(error, InputError | SqlError):
        return str(error)
    raise error


memory = Memory("anna.db", model="openai/gpt-4o-mini")
agent = Agent(
    name="Miku",
    instructions="Recall before you answer; remember what is new.",
    model="gpt-4o-mini",
    tools=[
        function_tool(tool, failure_error_function=error_shown) for tool in memory_tools(memory)
    ],
)
print(Runner.run_sync(agent, input("You: ")).final_output)
