from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI  # or any chat model of LangChain
from langgraph.graph import MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from memory import InputError, Memory, SqlError, memory_tools

tools = memory_tools(Memory("anna.db", model="openai/gpt-4o-mini"))
model = ChatOpenAI(model="gpt-4o-mini").bind_tools(tools)
graph = StateGraph(MessagesState)
graph.add_node("model", lambda state: {"messages": model.invoke(state["messages"])})
graph.add_node("tools", ToolNode(tools, handle_tool_errors=(InputError, SqlError)))
graph.set_entry_point("model")
graph.add_conditional_edges("model", tools_condition)
graph.add_edge("tools", "model")
agent = graph.compile()

result = agent.invoke({"messages": [HumanMessage(input("You: "))]})
print(result["messages"][-1].content)
